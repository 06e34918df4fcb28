/* flood.c -- what a good client gets while strangers flood the server.
 *
 * One thread is the good client: it sends a signed notification every few milliseconds on a
 * connection of its own and measures the time to its answer. Another thread floods. Everything goes
 * to a port of 127.0.0.1, with a fixed number of connections, for a fixed time. The output is one
 * line: the good client's p50 and p99 in milliseconds, how many notifications it sent, and how many
 * of these failed (no answer in five seconds is a failure that took five seconds).
 *
 * With a fourth argument, a second good client connects anew for each notification, and all, good
 * or bad, speak plain HTTP or TLS. The line then goes on with the second client's four numbers, and
 * what the flood did in a second: requests that were sent whole, connections or handshakes that
 * were begun, or bytes if it sends bytes one by one.
 *
 * usage: SIGNATURE=… BODY=FILE flood KIND PORT SECONDS [plain | tls] */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    PERIOD_MS = 5,      /* between two notifications of the good client */
    PATIENCE_MS = 5000, /* how long it waits for an answer */
    SAMPLES_MAX = 100000,
    PIECE = 64 * 1024, /* bytes of one write, at most */
    TICK_MS = 10,
    BEGUN_MAX = 10,        /* requests of strangers a tick: 1,000 a second */
    BODY_LEN = 1000 * 1000 /* just within max_body, and nginx's client_max_body_size */
};

/* When all was sent: keep it open; send it again on the answer; reset it at once; close it on the
 * answer; close it once it is open. */
enum then { HOLD, AGAIN, RESET, ANSWERED, OPENED };

/* Who does the handshake of a TLS port: the connection, as a client does; nobody. */
enum tls { SHAKES, NEVER };

struct kind {
    const char *name;
    unsigned connections;
    unsigned opened_a_tick; /* at most */
    size_t rate;            /* bytes that a connection may send at a time; 0: as fast as it can */
    unsigned every;         /* ticks from one such time to the next */
    size_t (*script)(char *out, unsigned n); /* the bytes that a connection sends; NULL: none */
    enum then then;
    enum tls tls;
};

struct connection {
    int fd;       /* -1: to be opened */
    SSL *ssl;     /* NULL: plain */
    bool shaking; /* its handshake is not over */
    bool writable;
    char *bytes; /* what it sends: `shared`, or its own */
    size_t len, at, allowed;
};

static uint16_t port;
static atomic_bool over;
static const char *path = "/baseWebhookNotification";
static SSL_CTX *tls; /* NULL: all is plain */
static bool bounded; /* to BEGUN_MAX; what was begun in this tick: */
static unsigned begun;
static unsigned long done; /* what the flood did; see above */

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int open_socket(int flags)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS)
        return fd;
    close(fd);
    return -1;
}

/* ---- bytes, plain or over TLS ---- */

static SSL *new_tls(int fd)
{
    SSL *ssl = SSL_new(tls);
    if (!ssl || !SSL_set_fd(ssl, fd))
        die("SSL_new");
    SSL_set_connect_state(ssl);
    return ssl;
}

/* What an operation of OpenSSL comes to in the words of send and recv. */
static ssize_t outcome(SSL *ssl, int rc)
{
    int error = rc > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl, rc);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        errno = EAGAIN;
    else if (error != SSL_ERROR_NONE)
        errno = EPROTO;
    return error == SSL_ERROR_NONE ? rc : error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static ssize_t put(int fd, SSL *ssl, const char *bytes, size_t len)
{
    return ssl ? outcome(ssl, SSL_write(ssl, bytes, (int)len)) : send(fd, bytes, len, MSG_NOSIGNAL);
}

static ssize_t take(int fd, SSL *ssl, char *bytes, size_t size)
{
    return ssl ? outcome(ssl, SSL_read(ssl, bytes, (int)size)) : recv(fd, bytes, size, 0);
}

/* ---- the good clients ---- */

struct good {
    bool anew; /* connects for each notification */
    uint64_t samples[SAMPLES_MAX];
    unsigned sample_count, failures;
    int fd; /* -1: to be opened */
    SSL *ssl;
};

static struct good keeper, newcomer = {.anew = true};

static size_t signed_request(const struct good *g, char *out, size_t size, const char *body,
                             size_t body_len)
{
    int len =
        snprintf(out, size,
                 "POST %s HTTP/1.1\r\nHost: h\r\nX-JobId: good-%d-%d-%u\r\nX-JobAttempt: 0\r\n"
                 "X-Signature: %s\r\nContent-Length: %zu\r\n\r\n%.*s",
                 path, (int)getpid(), g->anew, g->sample_count, getenv("SIGNATURE"), body_len,
                 (int)body_len, body);
    return (size_t)len;
}

static bool wait_for(int fd, short events, uint64_t until)
{
    struct pollfd p = {fd, events, 0};
    uint64_t now = now_us();
    return now < until && poll(&p, 1, (int)((until - now) / 1000) + 1) == 1;
}

/* Waits for what `n` is the outcome of. */
static bool wait_again(const struct good *g, ssize_t n, short events, uint64_t until)
{
    if (n >= 0 || errno != EAGAIN)
        return false;
    return wait_for(g->fd, g->ssl && SSL_want_read(g->ssl) ? POLLIN : events, until);
}

/* Sends the request and waits for the head of a 200. */
static bool deliver(const struct good *g, const char *bytes, size_t len, uint64_t until)
{
    char answer[4096];
    size_t got = 0;
    ssize_t n;
    if (!wait_for(g->fd, POLLOUT, until))
        return false;
    while ((n = put(g->fd, g->ssl, bytes, len)) != (ssize_t)len)
        if (!wait_again(g, n, POLLOUT, until))
            return false;
    for (;;) {
        n = take(g->fd, g->ssl, answer + got, sizeof answer - 1 - got);
        if (n <= 0 && !wait_again(g, n, POLLIN, until))
            return false;
        if (n > 0)
            answer[got += (size_t)n] = '\0';
        if (n > 0 && strstr(answer, "\r\n\r\n"))
            return strncmp(answer, "HTTP/1.1 200", 12) == 0;
    }
}

static void open_good(struct good *g)
{
    if (g->fd < 0)
        g->fd = open_socket(SOCK_NONBLOCK);
    if (g->fd >= 0 && tls && !g->ssl)
        g->ssl = new_tls(g->fd);
}

static void close_good(struct good *g)
{
    SSL_free(g->ssl);
    g->ssl = NULL;
    if (g->fd >= 0)
        close(g->fd);
    g->fd = -1;
}

static void *be_good(void *good)
{
    struct good *g = good;
    char body[4096], request[8192];
    FILE *file = fopen(getenv("BODY"), "rb");
    size_t body_len = file ? fread(body, 1, sizeof body, file) : 0;
    g->fd = -1;
    while (!over && g->sample_count < SAMPLES_MAX) {
        size_t len = signed_request(g, request, sizeof request, body, body_len);
        uint64_t began = now_us();
        open_good(g);
        bool ok = g->fd >= 0 && deliver(g, request, len, began + PATIENCE_MS * 1000u);
        g->samples[g->sample_count++] = now_us() - began;
        g->failures += !ok;
        if (!ok || g->anew)
            close_good(g);
        usleep(PERIOD_MS * 1000);
    }
    close_good(g);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static double percentile(const struct good *g, double share)
{
    if (g->sample_count == 0)
        return 0;
    return (double)g->samples[(size_t)((double)(g->sample_count - 1) * share)] / 1000;
}

static void print_good(struct good *g)
{
    qsort(g->samples, g->sample_count, sizeof *g->samples, compare);
    printf("%.2f %.2f %u %u ", percentile(g, 0.5), percentile(g, 0.99), g->sample_count,
           g->failures);
}

/* ---- what the strangers send ---- */

static size_t say(char *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsprintf(out, format, args);
    va_end(args);
    return (size_t)n;
}

/* Well-formed, but no key made this signature. */
static size_t forged_head(char *out, size_t body_len)
{
    static unsigned n;
    size_t len =
        say(out, "POST %s HTTP/1.1\r\nHost: h\r\nX-JobId: forged-%u\r\nX-Signature: ", path, ++n);
    memset(out + len, 'A', 342);
    return len + 342 + say(out + len + 342, "==\r\nContent-Length: %zu\r\n\r\n", body_len);
}

static size_t forged(char *out, unsigned n)
{
    size_t len = forged_head(out, 20);
    return len + say(out + len, "{\"Event\":\"F%010u\"}", n % 1000000000u);
}

static size_t gets(char *out, size_t bytes)
{
    size_t len = 0;
    while (len < bytes)
        len += say(out + len, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    return len;
}

static size_t pipelined(char *out, unsigned n)
{
    (void)n;
    return gets(out, PIECE);
}

static size_t body_then_gets(char *out, unsigned n)
{
    size_t len = forged_head(out, BODY_LEN);
    (void)n;
    memset(out + len, 'x', BODY_LEN);
    len += BODY_LEN;
    return len + gets(out + len, BODY_LEN);
}

static size_t slow_head(char *out, unsigned n)
{
    (void)n;
    size_t len = say(out, "POST %s HTTP/1.1\r\nHost: h\r\nX: ", path);
    memset(out + len, 'x', 8000);
    return len + 8000;
}

static size_t whole_body(char *out, unsigned n)
{
    size_t len = forged_head(out, BODY_LEN);
    (void)n;
    memset(out + len, 'x', BODY_LEN);
    return len + BODY_LEN;
}

static size_t held_back(char *out, unsigned n)
{
    return whole_body(out, n) - 1;
}

static size_t too_large(char *out, unsigned n)
{
    size_t len = forged_head(out, (size_t)64 * 1024 * 1024);
    (void)n;
    memset(out + len, 'x', 4 * BODY_LEN);
    return len + 4 * BODY_LEN;
}

/* Over max_header. */
static size_t big_head(char *out, unsigned n)
{
    size_t len = say(out, "POST %s HTTP/1.1\r\nHost: h\r\nX: ", path);
    (void)n;
    memset(out + len, 'x', 20000);
    return len + 20000 + say(out + len + 20000, "\r\n\r\n");
}

/* The first message of a TLS handshake: it costs the server a signature, and whoever repeats it
 * nothing. */
static size_t hello(char *out, unsigned n)
{
    SSL *ssl = SSL_new(tls);
    BIO *bio = BIO_new(BIO_s_mem());
    (void)n;
    SSL_set_bio(ssl, bio, bio);
    SSL_set_connect_state(ssl);
    SSL_do_handshake(ssl);
    int len = BIO_read(bio, out, PIECE);
    SSL_free(ssl);
    return (size_t)len;
}

static size_t half(char *out, unsigned n)
{
    return forged(out, n) - 10;
}

static const struct kind kinds[] = {
    /* clang-format off */
    {"none",      0,     0,    0,     1,  NULL,           HOLD, SHAKES},
    {"forged",    64,    64,   0,     1,  forged,         AGAIN, SHAKES},
    {"pipelined", 16,    16,   20000, 1,  pipelined,      AGAIN, SHAKES}, /* 2 MB/s each */
    {"body-gets", 16,    16,   20000, 1,  body_then_gets, AGAIN, SHAKES},
    {"slow-head", 1000,  100,  1,     10, slow_head,      HOLD, SHAKES}, /* 10 bytes a second */
    {"slow-body", 1000,  100,  100,   10, whole_body,     HOLD, SHAKES},
    {"idle",      10000, 100,  0,     1,  NULL,           HOLD, SHAKES},
    {"resets",    200,   20,   0,     1,  half,           RESET, SHAKES},
    {"413",       600,   100,  0,     1,  too_large,      AGAIN, SHAKES},
    {"held-back", 1500,  50,   0,     1,  held_back,      HOLD, SHAKES},
    {"dribble",    1000, 4,    1,     100, slow_head,     HOLD,     SHAKES}, /* 1 byte a second */
    {"open-close", 200,  20,   0,     1,  NULL,           OPENED,   NEVER}, /* 2,000 a second */
    {"big-heads",  64,   5,    0,     1,  big_head,       AGAIN,    SHAKES},
    {"hellos",     200,  10,   0,     1,  hello,          ANSWERED, NEVER}, /* 1,000 a second */
    {"handshakes", 64,   5,    0,     1,  NULL,           OPENED,   SHAKES}, /* 500 a second */
    /* clang-format on */
};

/* ---- flooding ---- */

/* The bytes that all connections send. The short scripts are written anew for each one. */
static char *shared;
static size_t shared_len;

static void write_script(const struct kind *kind, struct connection *c, unsigned n)
{
    c->at = c->allowed = 0;
    c->bytes = shared;
    c->len = shared_len;
    if (kind->script && kind->script != forged && kind->script != half)
        return;
    if (!kind->script)
        return;
    static char pool[256][4096];
    c->bytes = pool[n % 256];
    c->len = kind->script(c->bytes, n);
}

static void open_one(const struct kind *kind, struct connection *c, int epoll, unsigned n)
{
    c->fd = open_socket(SOCK_NONBLOCK);
    if (c->fd < 0)
        return;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event))
        die("epoll_ctl");
    c->writable = false;
    c->shaking = tls && kind->tls == SHAKES;
    c->ssl = c->shaking ? new_tls(c->fd) : NULL;
    write_script(kind, c, n);
}

static void close_one(struct connection *c, bool reset)
{
    struct linger hard = {1, 0};
    if (reset)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    SSL_free(c->ssl);
    c->ssl = NULL;
    close(c->fd);
    c->fd = -1;
}

/* Goes on with the handshake. Returns false when it is not over yet. */
static bool shake(struct connection *c)
{
    if (!c->shaking)
        return true;
    int rc = SSL_do_handshake(c->ssl);
    c->shaking = rc != 1;
    if (outcome(c->ssl, rc) < 0 && errno != EAGAIN)
        close_one(c, false);
    return c->fd >= 0 && !c->shaking;
}

static void write_some(const struct kind *kind, struct connection *c)
{
    if (c->fd < 0 || !c->writable || !shake(c))
        return;
    if (kind->then == OPENED) {
        done++;
        close_one(c, false);
        return;
    }
    if (bounded && kind->then == AGAIN && c->at == 0 && begun++ >= BEGUN_MAX)
        return; /* a later tick goes on */
    while (c->fd >= 0 && c->writable && c->at < c->len && (!kind->rate || c->allowed > 0)) {
        size_t n = c->len - c->at < PIECE ? c->len - c->at : PIECE;
        if (kind->rate && n > c->allowed)
            n = c->allowed;
        ssize_t sent = put(c->fd, c->ssl, c->bytes + c->at, n);
        if (sent < 0 && errno == EAGAIN)
            c->writable = false;
        else if (sent < 0)
            close_one(c, false);
        else
            c->at += (size_t)sent, c->allowed -= kind->rate ? (size_t)sent : 0,
                done += kind->rate == 1 || c->at == c->len;
    }
    if (c->fd >= 0 && kind->then == RESET && c->at == c->len && c->len)
        close_one(c, true);
}

/* Reads answers and drops them. A connection that has sent all starts over, with AGAIN. */
static void read_all(const struct kind *kind, struct connection *c, unsigned n)
{
    static char sink[256 * 1024];
    bool had_answer = false;
    if (!shake(c))
        return;
    for (;;) {
        ssize_t got = take(c->fd, c->ssl, sink, sizeof sink);
        had_answer |= got > 0;
        if (got > 0 && kind->then == AGAIN && c->at == c->len)
            write_script(kind, c, n);
        if (got > 0)
            continue;
        if (got == 0 || errno != EAGAIN || (kind->then == ANSWERED && had_answer))
            close_one(c, false);
        return;
    }
}

static void tick(const struct kind *kind, struct connection *all, int epoll)
{
    static unsigned n, ticks;
    unsigned opened = 0;
    ticks++;
    begun = 0;
    for (unsigned i = 0; i < kind->connections; i++) {
        struct connection *c = &all[i];
        if (c->fd < 0 && opened < kind->opened_a_tick) {
            opened++;
            open_one(kind, c, epoll, ++n);
        }
        if (c->fd >= 0 && kind->rate && (i + ticks) % kind->every == 0) {
            c->allowed = kind->rate;
            write_some(kind, c);
        }
        if (c->fd >= 0 && kind->then == AGAIN && c->at == 0)
            write_some(kind, c);
    }
}

static void flood(const struct kind *kind, uint64_t until)
{
    struct connection *all = calloc(kind->connections + 1, sizeof *all);
    struct epoll_event events[256];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    unsigned n = 0;
    uint64_t next = 0;
    for (unsigned i = 0; i < kind->connections; i++)
        all[i].fd = -1;
    for (uint64_t now = now_us(); now < until; now = now_us()) {
        if (now >= next) {
            tick(kind, all, epoll);
            next = now + TICK_MS * 1000;
        }
        int wait = next > now ? (int)((next - now) / 1000) : 0;
        int count = epoll_wait(epoll, events, 256, wait);
        for (int i = 0; i < count; i++) {
            struct connection *c = events[i].data.ptr;
            c->writable |= events[i].events & EPOLLOUT;
            if (c->fd >= 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                read_all(kind, c, ++n);
            write_some(kind, c);
        }
    }
    for (unsigned i = 0; i < kind->connections; i++)
        if (all[i].fd >= 0)
            close_one(&all[i], false);
    close(epoll);
    free(all);
}

static const struct kind *kind_of(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    fprintf(stderr, "no such flood: %s\n", name);
    exit(2);
}

static void set_tls(void)
{
    tls = SSL_CTX_new(TLS_client_method());
    if (!tls)
        die("SSL_CTX_new");
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF); /* every handshake is a full one */
}

int main(int argc, char **argv)
{
    pthread_t good[2];
    struct rlimit files;
    bool strangers = argc == 5 && (strcmp(argv[4], "plain") == 0 || strcmp(argv[4], "tls") == 0);
    if ((argc != 4 && !strangers) || !getenv("SIGNATURE") || !getenv("BODY")) {
        fprintf(stderr, "usage: SIGNATURE=TEXT BODY=FILE flood KIND PORT SECONDS [plain | tls]\n");
        return 2;
    }
    const struct kind *kind = kind_of(argv[1]);
    unsigned seconds = (unsigned)atoi(argv[3]);
    port = (uint16_t)atoi(argv[2]);
    bounded = strangers;
    if (strangers && strcmp(argv[4], "tls") == 0)
        set_tls();
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    shared = malloc(5 * BODY_LEN);
    if (!shared)
        die("malloc");
    if (kind->script)
        shared_len = kind->script(shared, 0);
    if (pthread_create(&good[0], NULL, be_good, &keeper) ||
        (strangers && pthread_create(&good[1], NULL, be_good, &newcomer)))
        die("pthread_create");
    flood(kind, now_us() + seconds * 1000000u);
    over = true;
    pthread_join(good[0], NULL);
    print_good(&keeper);
    if (strangers) {
        pthread_join(good[1], NULL);
        print_good(&newcomer);
        printf("%lu", done / seconds);
    }
    printf("\n");
    return 0;
}
