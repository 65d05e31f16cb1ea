// Between stream.c and command.c.
#ifndef LWIPSCOPE_TCPTRACE_STREAM_H
#define LWIPSCOPE_TCPTRACE_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "line.h"
#include "ring.h"

typedef enum { STREAM_OFF, STREAM_STATES, STREAM_ALL } stream_mode_t;

void stream_set_mode(stream_mode_t mode);
stream_mode_t stream_mode(void);
void stream_host_seen(void); // the first command switches the stream on
const char *stream_state_name(uint8_t state);

// Writes the answer to the command being served, a line per call, in command.c.
bool command_answer_waiting(void);
uint32_t command_answer_after(void); // the ring index up to which records go first
bool command_answer_is_sync(void);   // then they go first even if the stream is off
bool command_answer_line(line_t *line, uint32_t seq); // false: no line of it is left
void command_serve(void);            // takes a command that has come in

#endif
