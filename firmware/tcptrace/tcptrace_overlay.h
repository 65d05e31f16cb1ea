// Included first by the copies of lwIP's files that `lwipscope firmware overlay` writes: state stores, the
// pcb of a segment, and births and deaths of pcbs reach hooks.c without an option of lwIP or a linker's wrap.
#ifndef LWIPSCOPE_TCPTRACE_OVERLAY_H
#define LWIPSCOPE_TCPTRACE_OVERLAY_H

#include "tcptrace_hooks.h"
#include "lwip/opt.h"
#include "lwip/memp.h"

void *tcptrace_memp_malloc(memp_t type);
void tcptrace_memp_free(memp_t type, void *memory);

#undef memp_malloc // a macro where MEMP_OVERFLOW_CHECK is on; hooks.c calls that one
#define memp_malloc(type) tcptrace_memp_malloc(type)
#undef memp_free
#define memp_free(type, memory) tcptrace_memp_free((type), (memory))

#endif
