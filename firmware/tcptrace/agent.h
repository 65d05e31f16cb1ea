// Commands that are not for C: they wait here for the agent, a MicroPython program.
#ifndef LWIPSCOPE_TCPTRACE_AGENT_H
#define LWIPSCOPE_TCPTRACE_AGENT_H

#include <stdbool.h>
#include <stdint.h>

bool agent_offer(uint32_t id, const char *text); // false: no agent runs
void command_reply_later(uint32_t id, const char *text); // command.c

#endif
