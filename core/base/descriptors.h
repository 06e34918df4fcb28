/* descriptors.h -- the numbers of open files: ours are never 0, 1 or 2, and no child inherits one.
 *
 * Why     a process may run without its standard streams. The next file that it opens gets the
 *         number of one, and whatever is printed is written to that file: to the ledger, for
 *         example.
 * How     missing standard streams are opened on /dev/null: by the binary before anything else, in
 *         another program when a host starts. Since such a program may close them later, our own
 *         files also get numbers over 2. They are closed in programs that a handler starts.
 * Thread  any. */
#ifndef HW_DESCRIPTORS_H
#define HW_DESCRIPTORS_H

#include <sys/types.h>

/* Opens /dev/null for each standard stream that is closed. Returns 0, or -errno. */
int hw_descriptors_fill(void);

/* Moves a descriptor that is 0, 1 or 2 to a number over 2, closed on exec; returns it, or -1 with
 * errno set. Any other is returned unchanged; with a negative one, errno stays as it was. */
int hw_descriptors_lift(int fd);

/* open(2) and socket(2): closed on exec, with a number over 2. */
int hw_descriptors_open(const char *path, int flags, mode_t mode);
int hw_descriptors_socket(int domain, int type, int protocol);

/* read(2) until `size` bytes or the end of the file. Returns their number, or -1 with errno set. */
long hw_descriptors_read(int fd, char *out, size_t size);

/* Makes both ends of a socket pair closed on exec. It is for a pair that a library opened and keeps
 * to itself: `knock` has the library send one byte through it, which shows the receiving end. The
 * byte stays unread. */
void hw_descriptors_seal_pair(void (*knock)(void *ud), void *ud);

/* The same where one end is known. Does nothing for another kind of file, or a second time. */
void hw_descriptors_seal_pair_of(int fd);

#endif
