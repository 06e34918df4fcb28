/* version.h -- the one place that says which version this is. */
#ifndef HW_VERSION_H
#define HW_VERSION_H

#define HW_VERSION "0.1.0"

#endif
