// lwIP's options. Two profiles (DESIGN D12): "roomy", and "rp2", which has the sizes that MicroPython
// gives a Raspberry Pi Pico W (extmod/lwip-include/lwipopts_common.h and lwIP's defaults).
#ifndef LWIPSCOPE_LWIPOPTS_H
#define LWIPSCOPE_LWIPOPTS_H

#if LWIPSCOPE_PROFILE_roomy
#define MEM_SIZE (64000)
#define TCP_MSS (1460)
// The LAN9118's receive FIFO takes 7 full frames; a larger window would overrun it silently.
#define TCP_WND (6 * TCP_MSS)
#define TCP_SND_BUF (8 * TCP_MSS)
#define MEMP_NUM_TCP_SEG (64)
#define MEMP_NUM_TCP_PCB (16)
#define PBUF_POOL_SIZE (32)
#elif LWIPSCOPE_PROFILE_rp2
// Sizes left out here are lwIP's defaults, as on the Pico W: 5 pcbs, 8 listeners.
#else
#error "LWIPSCOPE_PROFILE must be roomy or rp2"
#endif

#define LWIP_IPV6 0
// lwIP 2.2 asks for this; the port is single threaded and runs lwIP from its polling hook only.
#define LWIP_NO_UNISTD_H 1
#define MEMP_MEM_MALLOC 0

#if LWIPSCOPE_TRACER
#define LWIP_HOOK_FILENAME "tcptrace_hooks.h"
#endif

#include "extmod/lwip-include/lwipopts_common.h"

#endif
