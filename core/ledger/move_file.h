/* move_file.h -- a ledger's file that notifications are copied from, or to.
 *
 * Thread  the one that copies. */
#ifndef HW_MOVE_FILE_H
#define HW_MOVE_FILE_H

#include "ledger/move_place.h"

/* Locks the file, so that no host uses it meanwhile. One that is written to is made if it is not
 * there. Returns NULL with one line in `why`. */
struct hw_move_place *hw_move_file_open(const char *path, bool writes, char *why, size_t why_size);

#endif
