// The living pcbs and the connection id of each. An id is given at birth and never used again, so it
// survives lwIP's habit of handing out the same memory at once.
#ifndef LWIPSCOPE_TCPTRACE_PCBS_H
#define LWIPSCOPE_TCPTRACE_PCBS_H

#include <stdbool.h>
#include <stdint.h>
#include "lwip/tcp.h"
#include "port.h"

#define PCBS_MAX TCPTRACE_PCBS

typedef struct {
    const void *pcb; // NULL: free entry
    uint32_t conn;
    uint64_t since_us; // of the present state
    uint8_t state;     // as last stored; lwIP's own field is not written at birth
    bool listener;     // struct tcp_pcb_listen: has no remote port and nothing behind it
    bool waiting;      // its last accept() would have blocked: don't report each retry
} pcb_entry_t;

pcb_entry_t *pcbs_add(const void *pcb, bool listener);
pcb_entry_t *pcbs_find(const void *pcb);
pcb_entry_t *pcbs_find_conn(uint32_t conn);
pcb_entry_t *pcbs_find_tuple(uint16_t local_port, uint16_t remote_port, uint32_t remote_ip);
void pcbs_remove(pcb_entry_t *entry);
const pcb_entry_t *pcbs_entry(uint32_t index); // 0 .. PCBS_MAX-1
uint32_t pcbs_in_use(bool listener);

// Frames have IPv4 addresses only; of others 0.0.0.0 is told.
static inline uint32_t pcbs_ip4(const ip_addr_t *address) {
    return IP_IS_V4(address) ? ip4_addr_get_u32(ip_2_ip4(address)) : 0;
}

#endif
