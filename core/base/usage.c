/* usage.c -- see usage.h */
#include "base/usage.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static double seconds(clockid_t clock)
{
    struct timespec t;
    return clock_gettime(clock, &t) ? 0 : (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Reads /proc/self/stat (proc(5)). The name of the process, in parentheses, may hold anything. */
static bool read_stat(struct hw_usage *u)
{
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    size_t len = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[len] = '\0';
    const char *end = strrchr(text, ')');
    unsigned long long start;
    long rss, page = sysconf(_SC_PAGESIZE), ticks = sysconf(_SC_CLK_TCK);
    if (!end || sscanf(end + 1,
                       " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d"
                       " %lf %*d %llu %lf %ld",
                       &u->threads, &start, &u->virtual_bytes, &rss) != 4)
        return false;
    u->resident_bytes = (double)rss * (double)page;
    u->started_at = seconds(CLOCK_REALTIME) - seconds(CLOCK_BOOTTIME) +
                    (double)start / (double)(ticks > 0 ? ticks : 100);
    return true;
}

/* Since Linux 6.2 the folder's size is the number of open files. */
static bool count_files(double *count)
{
    struct stat st;
    if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0) {
        *count = (double)st.st_size;
        return true;
    }
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return false;
    for (const struct dirent *entry; (entry = readdir(folder));)
        *count += entry->d_name[0] != '.';
    *count -= 1; /* the folder itself */
    closedir(folder);
    return true;
}

void hw_usage_read(struct hw_usage *u)
{
    *u = (struct hw_usage){.cpu_seconds = seconds(CLOCK_PROCESS_CPUTIME_ID)};
    u->has_memory = read_stat(u);
    u->has_files = count_files(&u->open_files);
}
