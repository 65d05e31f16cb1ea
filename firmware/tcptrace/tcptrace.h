// tcptrace: every transition of every TCP pcb, with its cause, in one ordered stream (DESIGN D1 to D4).
//
// Three layers, each knowing only the one before it:
//   ring.c     binary records in memory; written from inside lwIP, never formats, prints or waits
//   hooks.c    what is called from lwIP and from the socket layer; writes records
//   stream.c   turns records into lines and gives them to the serial line when a program runs
//   command.c  the host's commands: hello, ping, sync, snapshot, advance, clock, stream
// The serial protocol is specified in firmware/README.md.
#ifndef LWIPSCOPE_TCPTRACE_H
#define LWIPSCOPE_TCPTRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// --- for lwIP (hooks.c) ---

struct tcp_pcb;
struct tcp_hdr;
void tcptrace_state(const void *pcb, uint8_t to, const char *file, uint16_t line);
void tcptrace_in_pcb(const void *pcb);

#define TCPTRACE_FILE (__builtin_strrchr(__FILE__, '/') + 1) // folded by the compiler

// The value is evaluated once, whatever its expression does. Objects that are no living pcb are passed
// over, whatever their `state` is: in sources of unknown content others may be told of, too.
#define TCPTRACE_SET_STATE(pcb, to, line) \
    do { \
        __typeof__((pcb)->state) tcptrace_to = (to); \
        tcptrace_state((pcb), (uint8_t)(uintptr_t)tcptrace_to, TCPTRACE_FILE, (line)); \
        (pcb)->state = tcptrace_to; \
    } while (0)

// --- for the socket layer (hooks.c, tcptrace_calls.h) ---

uint32_t tcptrace_conn_of(const void *pcb);
void tcptrace_call(uint32_t conn, const char *name);
void tcptrace_result(uint32_t conn, const char *name, const char *result, uint32_t number);
void tcptrace_accepting(uint32_t conn);
void tcptrace_would_block(uint32_t conn);

// --- for the board (stream.c, command.c) ---

void tcptrace_service(void);     // from the event and VM hooks: commands, then some lines
bool tcptrace_finish_line(void); // completes a line that the UART cut short; false: not yet
bool tcptrace_before_text(void); // the same before console text, and what must come before it
bool tcptrace_has_work(void);    // something that could be sent now
void tcptrace_flush(void);       // before a reset: what was recorded until now, if anybody listens
void tcptrace_last_words(const char *fields);
void tcptrace_forget_agent(void);

#endif
