/* init.h -- what process number 1 has to do, when that is ours: in a container without an init.
 *
 * Why     children whose parents have ended become the children of process 1. A host never waits
 *         for those (it can't tell them from its handlers' own), and so they stay as zombies.
 * How     process 1 forks: the child is the host, and what remains waits for all that end, passes
 *         signals on, and ends as the host does.
 * Thread  before there is any other one. */
#ifndef HW_INIT_H
#define HW_INIT_H

/* Returns at once when this process is not number 1; else in the child alone. */
void hw_init_split(void);

#endif
