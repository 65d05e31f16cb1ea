// See pcbs.h.

#include "pcbs.h"
#include "port.h"

static pcb_entry_t entries[PCBS_MAX];
static uint32_t last_conn;

pcb_entry_t *pcbs_add(const void *pcb, bool listener) {
    for (uint32_t i = 0; i < PCBS_MAX; i++) {
        if (entries[i].pcb == NULL) {
            entries[i] = (pcb_entry_t) {.pcb = pcb, .conn = ++last_conn, .since_us = tcptrace_port_clock_us(),
                                        .state = CLOSED, .listener = listener};
            return &entries[i];
        }
    }
    return NULL;
}

pcb_entry_t *pcbs_find(const void *pcb) {
    for (uint32_t i = 0; pcb != NULL && i < PCBS_MAX; i++) {
        if (entries[i].pcb == pcb) {
            return &entries[i];
        }
    }
    return NULL;
}

pcb_entry_t *pcbs_find_conn(uint32_t conn) {
    for (uint32_t i = 0; i < PCBS_MAX; i++) {
        if (entries[i].pcb != NULL && entries[i].conn == conn) {
            return &entries[i];
        }
    }
    return NULL;
}

pcb_entry_t *pcbs_find_tuple(uint16_t local_port, uint16_t remote_port, uint32_t remote_ip) {
    for (uint32_t i = 0; i < PCBS_MAX; i++) {
        const struct tcp_pcb *pcb = entries[i].pcb;
        if (pcb != NULL && !entries[i].listener && pcb->local_port == local_port
            && pcb->remote_port == remote_port && pcbs_ip4(&pcb->remote_ip) == remote_ip) {
            return &entries[i];
        }
    }
    return NULL;
}

void pcbs_remove(pcb_entry_t *entry) {
    entry->pcb = NULL;
}

const pcb_entry_t *pcbs_entry(uint32_t index) {
    return &entries[index];
}

uint32_t pcbs_in_use(bool listener) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < PCBS_MAX; i++) {
        count += entries[i].pcb != NULL && entries[i].listener == listener;
    }
    return count;
}
