/* init.h -- what process 1 has to do, when it is ours: in a container without an init.
 *
 * Why     children whose parents have ended become the children of process 1. A host never waits
 *         for these, since it can't tell them from children of its scripts, so they would stay
 *         zombies.
 * How     Process 1 forks: the child is the host. The parent waits for all children, passes signals
 *         on, and what the host tells the service manager (relay.h), and ends with the host's exit
 *         code. Sockets and a watchdog that were meant for process 1 are the child's.
 * Thread  the only one of the process. */
#ifndef HW_INIT_H
#define HW_INIT_H

/* Returns at once when this process is not number 1; otherwise only in the child. */
void hw_init_split(void);

#endif
