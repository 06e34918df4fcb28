/* descriptors.h -- the numbers of open files: ours are never 0, 1 or 2, and no child inherits one.
 *
 * Why     a process may run without its standard streams. The next file that is opened has their
 *         number then, and whatever anybody prints is written into it: into the ledger, say.
 * How     the three are opened on /dev/null where they are missing, by the binary before anything
 *         else, in another program when a host starts. Since such a program may close them later,
 *         what we open ourselves moves up too. All of it is closed in a program that a handler
 *         starts.
 * Thread  any. */
#ifndef HW_DESCRIPTORS_H
#define HW_DESCRIPTORS_H

#include <sys/types.h>

/* Opens /dev/null for each standard stream that is closed. Returns 0, or -errno. */
int hw_descriptors_fill(void);

/* Takes a descriptor, and returns it with a number over 2 and closed on exec; or -1 with errno set.
 * A negative one is returned as it is, and errno with it. */
int hw_descriptors_lift(int fd);

/* open(2), socket(2), lifted. */
int hw_descriptors_open(const char *path, int flags, mode_t mode);
int hw_descriptors_socket(int domain, int type, int protocol);

/* For a pair of connected Unix sockets that a library made and tells nobody of: `knock` sends one
 * byte from one end, which stays there unread. Both ends are closed on exec from here on. */
void hw_descriptors_seal_pair(void (*knock)(void *ud), void *ud);

/* The same where one end is known. What is not an end of such a pair, or sealed already, is left
 * alone. */
void hw_descriptors_seal_pair_of(int fd);

#endif
