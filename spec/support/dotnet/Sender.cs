// Sender.cs -- signs and delivers notifications as a .NET Framework service does.
//
//   Sender key FILE                    writes a private key to FILE, prints the public one; both XML
//   Sender deliver FILE URL [CERT]     delivers all that stands on standard input
//
// Each line of input is a notification: its job id, its attempt, "good" or "forged", its body. Each
// line of output is the answer's status and body. CERT (PEM) is the only certificate of a server
// that is trusted.
using System;
using System.IO;
using System.Linq;
using System.Net.Http;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

static class Sender
{
    static string MakeKey(string file)
    {
        using (var rsa = new RSACryptoServiceProvider(2048))
        {
            File.WriteAllText(file, rsa.ToXmlString(true));
            return rsa.ToXmlString(false);
        }
    }

    static RSA ReadKey(string file)
    {
        var rsa = new RSACryptoServiceProvider();
        rsa.FromXmlString(File.ReadAllText(file));
        return rsa;
    }

    // A chain is not built: the certificate must be exactly this one, and have the host's name.
    static HttpClientHandler Handler(string trustedFile)
    {
        var handler = new HttpClientHandler { SslProtocols = SslProtocols.Tls12 };
        if (trustedFile != null)
        {
            byte[] trusted = new X509Certificate2(trustedFile).GetRawCertData();
            handler.ServerCertificateCustomValidationCallback = (request, certificate, chain, errors) =>
                (errors & SslPolicyErrors.RemoteCertificateNameMismatch) == 0
                && certificate.GetRawCertData().SequenceEqual(trusted);
        }
        return handler;
    }

    static HttpRequestMessage Sign(string[] words, string url, RSA key)
    {
        byte[] body = Encoding.UTF8.GetBytes(words[3]);
        byte[] signature = key.SignData(body, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        if (words[2] == "forged")
            signature[17] ^= 1;
        var request = new HttpRequestMessage(HttpMethod.Post, url);
        request.Content = new StringContent(words[3], Encoding.UTF8, "application/json");
        request.Headers.Add("X-Signature", Convert.ToBase64String(signature));
        request.Headers.Add("X-JobId", words[0]);
        request.Headers.Add("X-JobAttempt", words[1]);
        return request;
    }

    static void Deliver(string keyFile, string url, string trustedFile)
    {
        using (var key = ReadKey(keyFile))
        using (var client = new HttpClient(Handler(trustedFile)))
        {
            client.DefaultRequestHeaders.ExpectContinue = true; // the .NET Framework's default
            for (string line; (line = Console.ReadLine()) != null;)
            {
                var answer = client.SendAsync(Sign(line.Split(new[] {' '}, 4), url, key)).Result;
                Console.WriteLine("{0} {1}", (int)answer.StatusCode, answer.Content.ReadAsStringAsync().Result);
            }
        }
    }

    static int Main(string[] args)
    {
        if (args.Length == 2 && args[0] == "key")
            Console.WriteLine(MakeKey(args[1]));
        else if (args.Length >= 3 && args[0] == "deliver")
            Deliver(args[1], args[2], args.Length > 3 ? args[3] : null);
        else
            return 2;
        return 0;
    }
}
