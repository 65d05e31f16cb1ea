// LWIP_HOOK_FILENAME: included by lwIP's own sources after their headers.
#ifndef LWIPSCOPE_TCPTRACE_HOOKS_H
#define LWIPSCOPE_TCPTRACE_HOOKS_H

#include "tcptrace.h"

// Called for a segment that found its pcb (also a listening or TIME_WAIT one), before it is processed.
#define LWIP_HOOK_TCP_INPACKET_PCB(pcb, hdr, optlen, opt1len, opt2, p) (tcptrace_in_pcb(pcb), ERR_OK)

#endif
