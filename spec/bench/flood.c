/* flood.c -- what a good client gets while strangers flood the server.
 *
 * One thread is the good client: it sends a signed notification every few milliseconds on a
 * connection of its own and measures the time to its answer. Another thread floods. Everything goes
 * to a port of 127.0.0.1, with a fixed number of connections, for a fixed time. The output is one
 * line: the good client's p50 and p99 in milliseconds, how many notifications it sent, and how many
 * of these failed (no answer in five seconds is a failure that took five seconds).
 *
 * usage: SIGNATURE=… BODY=FILE flood KIND PORT SECONDS */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
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
    BODY_LEN = 1000 * 1000 /* just within max_body, and nginx's client_max_body_size */
};

/* When all was sent: keep it open; send it again on the answer; reset it at once. */
enum then { HOLD, AGAIN, RESET };

struct kind {
    const char *name;
    unsigned connections;
    unsigned opened_a_tick; /* at most */
    size_t rate;            /* bytes that a connection may send at a time; 0: as fast as it can */
    unsigned every;         /* ticks from one such time to the next */
    size_t (*script)(char *out, unsigned n); /* the bytes that a connection sends; NULL: none */
    enum then then;
};

struct connection {
    int fd; /* -1: to be opened */
    bool writable;
    char *bytes; /* what it sends: `shared`, or its own */
    size_t len, at, allowed;
};

static uint16_t port;
static atomic_bool over;
static const char *path = "/baseWebhookNotification";

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

/* ---- the good client ---- */

static uint64_t samples[SAMPLES_MAX];
static unsigned sample_count, failures;

static size_t signed_request(char *out, size_t size, const char *body, size_t body_len)
{
    static unsigned n;
    int len =
        snprintf(out, size,
                 "POST %s HTTP/1.1\r\nHost: h\r\nX-JobId: good-%d-%u\r\nX-JobAttempt: 0\r\n"
                 "X-Signature: %s\r\nContent-Length: %zu\r\n\r\n%.*s",
                 path, (int)getpid(), ++n, getenv("SIGNATURE"), body_len, (int)body_len, body);
    return (size_t)len;
}

static bool wait_for(int fd, short events, uint64_t until)
{
    struct pollfd p = {fd, events, 0};
    uint64_t now = now_us();
    return now < until && poll(&p, 1, (int)((until - now) / 1000) + 1) == 1;
}

/* Sends the request and waits for the head of a 200. */
static bool deliver(int fd, const char *bytes, size_t len, uint64_t until)
{
    char answer[4096];
    size_t got = 0;
    if (!wait_for(fd, POLLOUT, until) || send(fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
        return false;
    for (;;) {
        if (!wait_for(fd, POLLIN, until))
            return false;
        ssize_t n = recv(fd, answer + got, sizeof answer - 1 - got, 0);
        if (n <= 0)
            return false;
        answer[got += (size_t)n] = '\0';
        if (strstr(answer, "\r\n\r\n"))
            return strncmp(answer, "HTTP/1.1 200", 12) == 0;
    }
}

static void *be_good(void *unused)
{
    char body[4096], request[8192];
    FILE *file = fopen(getenv("BODY"), "rb");
    size_t body_len = file ? fread(body, 1, sizeof body, file) : 0;
    int fd = -1;
    (void)unused;
    while (!over && sample_count < SAMPLES_MAX) {
        size_t len = signed_request(request, sizeof request, body, body_len);
        uint64_t began = now_us();
        if (fd < 0)
            fd = open_socket(SOCK_NONBLOCK);
        bool ok = fd >= 0 && deliver(fd, request, len, began + PATIENCE_MS * 1000u);
        samples[sample_count++] = now_us() - began;
        if (!ok) {
            failures++;
            if (fd >= 0)
                close(fd);
            fd = -1;
        }
        usleep(PERIOD_MS * 1000);
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static double percentile(double share)
{
    if (sample_count == 0)
        return 0;
    return (double)samples[(size_t)((double)(sample_count - 1) * share)] / 1000;
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

static size_t half(char *out, unsigned n)
{
    return forged(out, n) - 10;
}

static const struct kind kinds[] = {
    /* clang-format off */
    {"none",      0,     0,    0,     1,  NULL,           HOLD},
    {"forged",    64,    64,   0,     1,  forged,         AGAIN},
    {"pipelined", 16,    16,   20000, 1,  pipelined,      AGAIN}, /* 2 MB/s each */
    {"body-gets", 16,    16,   20000, 1,  body_then_gets, AGAIN},
    {"slow-head", 1000,  100,  1,     10, slow_head,      HOLD}, /* 10 bytes a second */
    {"slow-body", 1000,  100,  100,   10, whole_body,     HOLD},
    {"idle",      10000, 100,  0,     1,  NULL,           HOLD},
    {"resets",    200,   20,   0,     1,  half,           RESET},
    {"413",       600,   100,  0,     1,  too_large,      AGAIN},
    {"held-back", 1500,  50,   0,     1,  held_back,      HOLD},
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
    write_script(kind, c, n);
}

static void close_one(struct connection *c, bool reset)
{
    struct linger hard = {1, 0};
    if (reset)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(c->fd);
    c->fd = -1;
}

static void write_some(const struct kind *kind, struct connection *c)
{
    while (c->fd >= 0 && c->writable && c->at < c->len && (!kind->rate || c->allowed > 0)) {
        size_t n = c->len - c->at < PIECE ? c->len - c->at : PIECE;
        if (kind->rate && n > c->allowed)
            n = c->allowed;
        ssize_t sent = send(c->fd, c->bytes + c->at, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN)
            c->writable = false;
        else if (sent < 0)
            close_one(c, false);
        else
            c->at += (size_t)sent, c->allowed -= kind->rate ? (size_t)sent : 0;
    }
    if (c->fd >= 0 && kind->then == RESET && c->at == c->len && c->len)
        close_one(c, true);
}

/* Reads answers and drops them. A connection that has sent all starts over, with AGAIN. */
static void read_all(const struct kind *kind, struct connection *c, unsigned n)
{
    static char sink[256 * 1024];
    for (;;) {
        ssize_t got = recv(c->fd, sink, sizeof sink, 0);
        if (got > 0 && kind->then == AGAIN && c->at == c->len)
            write_script(kind, c, n);
        if (got > 0)
            continue;
        if (got == 0 || errno != EAGAIN)
            close_one(c, false);
        return;
    }
}

static void tick(const struct kind *kind, struct connection *all, int epoll)
{
    static unsigned n, ticks;
    unsigned opened = 0;
    ticks++;
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

int main(int argc, char **argv)
{
    pthread_t good;
    struct rlimit files;
    if (argc != 4 || !getenv("SIGNATURE") || !getenv("BODY")) {
        fprintf(stderr, "usage: SIGNATURE=TEXT BODY=FILE flood KIND PORT SECONDS\n");
        return 2;
    }
    const struct kind *kind = kind_of(argv[1]);
    port = (uint16_t)atoi(argv[2]);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    shared = malloc(5 * BODY_LEN);
    if (!shared)
        die("malloc");
    if (kind->script)
        shared_len = kind->script(shared, 0);
    if (pthread_create(&good, NULL, be_good, NULL))
        die("pthread_create");
    flood(kind, now_us() + (uint64_t)atoi(argv[3]) * 1000000u);
    over = true;
    pthread_join(good, NULL);
    qsort(samples, sample_count, sizeof *samples, compare);
    printf("%.2f %.2f %u %u\n", percentile(0.5), percentile(0.99), sample_count, failures);
    return 0;
}
