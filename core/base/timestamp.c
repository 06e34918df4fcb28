/* timestamp.c -- see timestamp.h */
#include "base/timestamp.h"

#include <stdint.h>

/* The text that is still to be read. After a failed step, all later ones fail too. */
struct reader {
    const char *at, *end;
    bool any_form; /* of ISO 8601; otherwise RFC 3339 only */
    bool bad;
};

static int digits(struct reader *r, int count, int min, int max)
{
    int value = 0;
    for (int i = 0; i < count; i++, r->at++) {
        if (r->at == r->end || *r->at < '0' || *r->at > '9') {
            r->bad = true;
            return min;
        }
        value = value * 10 + (*r->at - '0');
    }
    r->bad |= value < min || value > max;
    return value;
}

static bool take(struct reader *r, const char *any_of)
{
    if (r->at == r->end || !strchr(any_of, *r->at) || *r->at == '\0')
        return false;
    r->at++;
    return true;
}

static void expect(struct reader *r, const char *any_of)
{
    r->bad |= !take(r, any_of);
}

/* Days from 1970-01-01 in the Gregorian calendar. The year begins in March here, so that a leap day
 * comes last. Counting starts 400 years before year 0, since January of year 0 belongs to year
 * -1. */
static int64_t days(int year, int month, int day)
{
    int64_t y = 400 + (month > 2 ? year : year - 1);
    int64_t m = (month + 9) % 12;
    return 365 * y + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 146097 - 719468;
}

static int days_in(int year, int month)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : lengths[month - 1];
}

static double fraction(struct reader *r)
{
    double value = 0, unit = 0.1;
    if (!take(r, "."))
        return 0;
    const char *first = r->at;
    for (; r->at != r->end && *r->at >= '0' && *r->at <= '9'; r->at++, unit /= 10)
        value += unit * (*r->at - '0');
    r->bad |= r->at == first;
    return value;
}

static int offset_seconds(struct reader *r)
{
    if (r->at == r->end || take(r, "Zz"))
        return 0;
    int sign = r->at != r->end && *r->at == '-' ? -1 : 1;
    expect(r, "+-");
    int hours = digits(r, 2, 0, 23);
    if (r->any_form && r->at == r->end)
        return sign * hours * 3600;
    if (!take(r, ":"))
        r->bad |= !r->any_form;
    return sign * (hours * 3600 + digits(r, 2, 0, 59) * 60);
}

/* What follows the date: seconds since the day began, in UTC. */
static double time_of_day(struct reader *r)
{
    if (r->any_form && r->at == r->end)
        return 0;
    expect(r, "Tt ");
    int hour = digits(r, 2, 0, 23);
    expect(r, ":");
    int minute = digits(r, 2, 0, 59), second = 0;
    double part = 0;
    if (take(r, ":")) {
        second = digits(r, 2, 0, 60);
        part = fraction(r);
    } else {
        r->bad |= !r->any_form;
    }
    return hour * 3600 + minute * 60 + second - offset_seconds(r) + part;
}

static int parse(struct reader r, double *seconds)
{
    int year = digits(&r, 4, 0, 9999);
    expect(&r, "-");
    int month = digits(&r, 2, 1, 12);
    expect(&r, "-");
    int day = digits(&r, 2, 1, 31);
    double of_day = time_of_day(&r);
    if (r.bad || r.at != r.end || day > days_in(year, month))
        return -1;
    *seconds = (double)(days(year, month, day) * 86400) + of_day;
    return 0;
}

int hw_timestamp_parse(struct hw_str text, double *seconds)
{
    return parse((struct reader){text.ptr, text.ptr + text.len, false, false}, seconds);
}

int hw_timestamp_read(struct hw_str text, double *seconds)
{
    return parse((struct reader){text.ptr, text.ptr + text.len, true, false}, seconds);
}
