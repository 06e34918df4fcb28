/* pg_place.h -- where a host starts, so that its next start there can prove that this one has ended.
 *
 * Why     a host that was killed, and is started again at once, need not wait for its own lease.
 * How     a file beside the control socket is locked as long as the host runs (flock), and holds a
 *         random number of this start. With the lock in hand, whoever wrote the number that stands
 *         there is no more. The file's identity and the boot are part of the name, since a folder
 *         may be copied while a host runs in it, or be on a disk that two machines share.
 * Not     a condition: in a folder that can't be written the next start waits for the lease.
 * Thread  taken and left by the one that opens and closes the ledger; constant meanwhile. */
#ifndef HW_PG_PLACE_H
#define HW_PG_PLACE_H

enum { HW_PG_PLACE_SIZE = 160 /* bytes of a name, its NUL included */ };

struct hw_pg_place {
    int fd;                        /* -1: it has no place */
    char name[HW_PG_PLACE_SIZE];   /* of this start; "": it has none */
    char before[HW_PG_PLACE_SIZE]; /* of the start before, which has ended; "": not known */
};

/* `control`: the path of the host's control socket, or NULL. */
void hw_pg_place_take(struct hw_pg_place *place, const char *control);

void hw_pg_place_leave(struct hw_pg_place *place);

#endif
