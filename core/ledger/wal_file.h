/* wal_file.h -- SQLite's write-ahead log, written with one system call a commit.
 *
 * Why     SQLite writes each page of a commit into the log by two calls, a header of 24 bytes and
 *         the page: some sixteen for a batch, a third of what the ledger thread spends.
 * How     a VFS that is the platform's in all but one thing: what is appended to a log collects in
 *         memory and is written when SQLite syncs, reads, or asks anything else of the file. So on
 *         disk the order of things is what it was; only what a sync had not covered yet, and what
 *         a crash may therefore have lost before too, is there later.
 *
 *         Nothing may stay behind in memory when a transaction is rolled back: other programs can
 *         write the log next. So a connection that uses it must not spill pages before its commit
 *         (PRAGMA cache_spill = OFF) and must sync at each (synchronous = FULL): then what is
 *         collected is a commit's, and the sync follows or an error did.
 * Thread  any; a file is used by its connection's thread alone. */
#ifndef HW_WAL_FILE_H
#define HW_WAL_FILE_H

/* Bytes; a longer commit is written in pieces. SQLite's Unix VFS writes less than 128 KB at a time,
 * and takes a multiple of that for nothing to write. */
enum { HW_WAL_BUFFER = 120 * 1024 };

/* The name of the VFS, for sqlite3_open_v2(). NULL without one: SQLite's own will do as well. */
const char *hw_wal_vfs(void);

#endif
