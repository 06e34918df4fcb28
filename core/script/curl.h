/* curl.h -- libcurl, loaded by the first that needs it.
 *
 * Why     libcurl brings thirty libraries along. To load these takes longer than all the rest of a
 *         start, and most commands and many hosts never send a request.
 * How     hw_curl.easy_init is curl_easy_init, and so on, after hw_curl_load.
 * Thread  any. */
#ifndef HW_CURL_H
#define HW_CURL_H

#include <curl/curl.h>
#include <stdbool.h>

/* clang-format off */
#define HW_CURL_FUNCTIONS(X)                                                                       \
    X(easy_cleanup) X(easy_getinfo) X(easy_init) X(easy_reset) X(easy_setopt) X(easy_strerror)     \
    X(free) X(global_init) X(multi_add_handle) X(multi_assign) X(multi_cleanup) X(multi_fdset)     \
    X(multi_info_read) X(multi_init) X(multi_perform) X(multi_poll) X(multi_remove_handle)         \
    X(multi_setopt) X(multi_socket_action) X(multi_wakeup) X(slist_append) X(slist_free_all)       \
    X(url) X(url_cleanup) X(url_get) X(url_set) X(version_info)
/* clang-format on */

struct hw_curl {
#define HW_CURL_MEMBER(name) __typeof__(&curl_##name) name;
    HW_CURL_FUNCTIONS(HW_CURL_MEMBER)
#undef HW_CURL_MEMBER
};

/* All NULL before hw_curl_load has returned NULL; constant after that. */
extern struct hw_curl hw_curl;

/* Loads libcurl, unless an earlier call has. Returns NULL, or one line that says why it can't be
 * used now; the text is this thread's, until its next call. */
const char *hw_curl_load(void);

#endif
