// The ring of binary records. One writer (lwIP and the socket layer, never in two contexts at once) and
// two readers: the serial stream, which frees records, and Python's tcptrace.states(), which only looks.
// Readers hold lwIP still (port.h).
#ifndef LWIPSCOPE_TCPTRACE_RING_H
#define LWIPSCOPE_TCPTRACE_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "port.h"

enum {
    RECORD_BORN,
    RECORD_STATE,
    RECORD_DIED,
    RECORD_RX,
    RECORD_TX,
    RECORD_CALL,
    RECORD_RET,
    RECORD_LOST,
};

enum {
    CAUSE_NONE,
    CAUSE_RX,
    CAUSE_API,
    CAUSE_GC,
    CAUSE_TIMER,
    CAUSE_KILL,
    CAUSE_NETIF,
};

typedef struct {
    uint64_t clock_us;
    uint32_t conn;
    uint8_t kind;
    uint8_t from;  // state; pool of a birth (0 pcb, 1 listener)
    uint8_t to;    // state; TCP flags of a segment
    uint8_t cause; // CAUSE_*
    const char *name;   // call; file of a store; what the cause is called
    const char *detail; // result of a call; name of the cause
    uint32_t number;    // sequence number; argument of a call; count of lost records; pcbs in use
    uint32_t ack;       // acknowledgement number; id of the listener
    uint32_t local_ip;  // network byte order
    uint32_t remote_ip;
    uint16_t local_port;
    uint16_t remote_port;
    uint16_t window;    // also: line of a store
    uint16_t length;    // also: flags of the causing segment
    uint16_t mss;
    bool addresses;     // the four address fields mean something
    bool aborted;       // the cause is the segment, by way of an abort
} record_t;

#define RING_RECORDS TCPTRACE_RING_RECORDS

record_t *ring_new(uint8_t kind, uint32_t conn); // NULL: no room (counted)
void ring_keep_newest(bool newest);              // while nobody listens the oldest records make room
uint32_t ring_head(void);
uint32_t ring_tail(void);
const record_t *ring_at(uint32_t index);
void ring_free_oldest(void);
uint32_t ring_take_front_loss(void); // records that were overwritten before the oldest one

#endif
