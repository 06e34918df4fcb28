/* pem_file.c -- see pem_file.h */
#include "http/pem_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptors.h"

/* ---- reading ---- */

/* The name of this process's user, or its number. */
static void name_user(char *text, size_t size)
{
    struct passwd entry, *found = NULL;
    char bytes[1024];
    uid_t uid = geteuid();
    if (getpwuid_r(uid, &entry, bytes, sizeof bytes, &found) == 0 && found)
        snprintf(text, size, "%s", entry.pw_name);
    else
        snprintf(text, size, "number %u", (unsigned)uid);
}

/* Certbot's keys are for root alone, so this is what most people meet first. */
static int explain_open(const struct hw_pem_file *file, enum hw_pem_use use, int error,
                        const struct hw_reason *why)
{
    static const char *const keys[] = {[HW_PEM_CERTIFICATE] = "cert",
                                       [HW_PEM_KEY] = "key",
                                       [HW_PEM_CLIENT_CA] = "client_ca",
                                       [HW_PEM_CRL] = "crl"};
    char user[64];
    if (error != EACCES && error != EPERM)
        return hw_refuse(why, "%s: %s; put it there, or change `%s` of `tls`", file->path,
                         strerror(error), keys[use]);
    name_user(user, sizeof user);
    if (use == HW_PEM_CLIENT_CA || use == HW_PEM_CRL)
        return hw_refuse(why, "%s: the user %s may not read it", file->path, user);
    return hw_refuse(why,
                     "%s: the user %s may not read this %s; let a deploy hook copy it after each "
                     "renewal, for example `install -m 640 -o root -g %s %s /etc/hookward/tls/` "
                     "(`hookward help deployment` has the hook)",
                     file->path, user, use == HW_PEM_KEY ? "TLS key" : "certificate", user,
                     file->path);
}

static bool take_bytes(struct hw_pem_file *file, int fd, size_t expected)
{
    size_t room = expected + 1; /* one more, to notice a file that grows */
    file->bytes = OPENSSL_malloc(room);
    if (!file->bytes) {
        errno = ENOMEM;
        return false;
    }
    long len = hw_descriptors_read(fd, file->bytes, room);
    file->len = len < 0 ? 0 : (size_t)len;
    return len >= 0;
}

static int read_fd(struct hw_pem_file *file, int fd, const struct hw_reason *why)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return hw_refuse(why, "%s: %s", file->path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return hw_refuse(why, "%s: a folder, not a PEM file", file->path);
    if (!S_ISREG(st.st_mode))
        return hw_refuse(why, "%s: not a plain file", file->path);
    if (st.st_size > HW_PEM_FILE_MAX)
        return hw_refuse(why, "%s: larger than a PEM file may be (%d bytes)", file->path,
                         HW_PEM_FILE_MAX);
    if (!take_bytes(file, fd, (size_t)st.st_size))
        return hw_refuse(why, "%s: %s", file->path, strerror(errno));
    if (file->len == 0)
        return hw_refuse(why, "%s: the file is empty", file->path);
    if (file->len > (size_t)st.st_size)
        return hw_refuse(why, "%s: the file grew while it was read", file->path);
    return 0;
}

/* Its name and its bytes, so that two files are told apart from one with the bytes of both. */
static bool add_to(EVP_MD_CTX *digest, const struct hw_pem_file *file)
{
    return EVP_DigestUpdate(digest, file->path, strlen(file->path) + 1) == 1 &&
           EVP_DigestUpdate(digest, &file->len, sizeof file->len) == 1 &&
           EVP_DigestUpdate(digest, file->bytes, file->len) == 1;
}

int hw_pem_file_read(struct hw_pem_file *file, const char *path, enum hw_pem_use use,
                     EVP_MD_CTX *digest, const struct hw_reason *why)
{
    *file = (struct hw_pem_file){.path = path};
    /* Without O_NONBLOCK a named pipe would keep the host from starting. */
    int fd = hw_descriptors_open(path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0)
        return explain_open(file, use, errno, why);
    int rc = read_fd(file, fd, why);
    close(fd);
    if (rc == 0 && digest && !add_to(digest, file))
        rc = hw_refuse(why, "out of memory");
    return rc;
}

void hw_pem_file_fini(struct hw_pem_file *file)
{
    OPENSSL_clear_free(file->bytes, file->len);
    file->bytes = NULL;
    file->len = 0;
}

BIO *hw_pem_file_open(const struct hw_pem_file *file)
{
    return BIO_new_mem_buf(file->bytes, (int)file->len);
}

bool hw_pem_file_has(const struct hw_pem_file *file, const char *name)
{
    char end[64];
    int len = snprintf(end, sizeof end, "%s-----", name);
    return memmem(file->bytes, file->len, "-----BEGIN ", 11) &&
           memmem(file->bytes, file->len, end, (size_t)len);
}
