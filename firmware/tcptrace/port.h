// What tcptrace needs of the board that it is built into: the port interface.
//
// A port says how by a header of its own (-DTCPTRACE_PORT_HEADER='"..."') that defines these functions,
// usually as static inline ones, and macros where the defaults below don't suit. Without such a header
// port_default.c does it with what every MicroPython port has.
//
// Who runs when: hooks (hooks.c, ring.c, pcbs.c) run wherever lwIP runs: in the program's context (socket
// calls), and in an interrupt (rp2: PendSV) or another thread (NO_SYS=0: tcpip_thread). lwIP itself is
// never in two contexts at once, so neither are the hooks. All else (service, answers, the Python module)
// runs in MicroPython's context and holds lwIP still while it looks at what the hooks write:
// TCPTRACE_ENTER ... TCPTRACE_EXIT. That is the only lock; it also orders memory between processors.
#ifndef LWIPSCOPE_TCPTRACE_PORT_H
#define LWIPSCOPE_TCPTRACE_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "py/mpconfig.h"
#include "lwip/opt.h"

#ifdef TCPTRACE_PORT_HEADER
#include TCPTRACE_PORT_HEADER
#else

struct netif;

// Time in microseconds since boot; never goes back. Called with lwIP held still, also from interrupts.
uint64_t tcptrace_port_clock_us(void);

// Gives text to the serial line without waiting; returns how many bytes it took.
uint32_t tcptrace_port_write(const char *text, uint32_t length);

// The command line that has come in (without RS and LF, at most 127 characters), or NULL; and: it was read.
const char *tcptrace_port_command(void);
void tcptrace_port_command_done(void);

// What `hello` tells: the board, the host's number and the resets since power-up (0 if unknown), and
// the interface whose address is told (may be NULL).
const char *tcptrace_port_board_name(void);
uint32_t tcptrace_port_host_number(void);
uint32_t tcptrace_port_boot_count(void);
struct netif *tcptrace_port_netif(void);

// Lets lwIP take what has come in already, if the port knows how.
void tcptrace_port_poll_stack(void);

// A record was written: let tcptrace_service() be called soon. From any context; must not wait.
void tcptrace_port_wake(void);

#endif

// --- macros with defaults ---

// 1: the port has a clock that the host can stop and move (command.c: advance, clock).
#ifndef TCPTRACE_MANUAL_CLOCK
#define TCPTRACE_MANUAL_CLOCK (0)
#endif

// 1: the generated copies of lwIP's files call births and deaths of pcbs by name. 0: ld --wrap does it.
// (MicroPython's esp32 port wraps memp_malloc() for itself.)
#ifndef TCPTRACE_OVERLAY
#define TCPTRACE_OVERLAY (0)
#endif

// Keeps lwIP from running in another context. May declare a variable: ENTER and EXIT stand once in a
// block, as MICROPY_PY_LWIP_ENTER does in extmod/modlwip.c. Not taken twice by one context.
#ifndef TCPTRACE_ENTER
#if !NO_SYS
#if !LWIP_TCPIP_CORE_LOCKING
#error "tcptrace with NO_SYS=0 needs LWIP_TCPIP_CORE_LOCKING=1 (ESP-IDF: CONFIG_LWIP_TCPIP_CORE_LOCKING=y)"
#endif
#include "lwip/tcpip.h"
#define TCPTRACE_ENTER LOCK_TCPIP_CORE();
#define TCPTRACE_EXIT UNLOCK_TCPIP_CORE();
#elif defined(MICROPY_PY_LWIP_ENTER)
#define TCPTRACE_ENTER MICROPY_PY_LWIP_ENTER
#define TCPTRACE_EXIT MICROPY_PY_LWIP_EXIT
#else // lwIP runs in MicroPython's context only
#define TCPTRACE_ENTER
#define TCPTRACE_EXIT
#endif
#endif

// Whether a socket call comes from the garbage collector. lwIP's own thread has no Python state to ask.
#ifndef TCPTRACE_COLLECTING
#if NO_SYS
#include "py/gc.h"
#include "py/mpstate.h"
#define TCPTRACE_COLLECTING() ((MP_STATE_THREAD(gc_lock_depth) & GC_COLLECT_FLAG) != 0)
#else
#define TCPTRACE_COLLECTING() (false)
#endif
#endif

// Records in the ring: a power of two, about 60 bytes each.
#ifndef TCPTRACE_RING_RECORDS
#ifdef TCPTRACE_RING_ADDRESS
#define TCPTRACE_RING_RECORDS (65536u)
#else
#define TCPTRACE_RING_RECORDS (256u)
#endif
#endif

// Most pcbs that can live at once. With MEMP_MEM_MALLOC the pools have no size: those in TIME_WAIT add up.
#ifndef TCPTRACE_PCBS
#define TCPTRACE_PCBS ((MEMP_NUM_TCP_PCB + MEMP_NUM_TCP_PCB_LISTEN) * (MEMP_MEM_MALLOC ? 2 : 1))
#endif

// What `hello` tells of a build that is not ours.
#ifndef LWIPSCOPE_UNPINNED
#define LWIPSCOPE_UNPINNED (1)
#endif
#ifndef LWIPSCOPE_GRADING
#define LWIPSCOPE_GRADING (0)
#endif
#ifndef LWIPSCOPE_WORKAROUNDS
#define LWIPSCOPE_WORKAROUNDS (0)
#endif
#ifndef LWIPSCOPE_PROFILE_NAME
#define LWIPSCOPE_PROFILE_NAME "port"
#endif

#endif
