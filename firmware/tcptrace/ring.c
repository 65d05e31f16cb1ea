// See ring.h. Called from inside lwIP: never waits, never allocates.

#include "ring.h"
#include "port.h"

#ifdef TCPTRACE_RING_ADDRESS // memory that no linker script knows of
static record_t *const records = (record_t *)TCPTRACE_RING_ADDRESS;
_Static_assert(sizeof(record_t) * RING_RECORDS <= TCPTRACE_RING_BYTES, "the ring has room");
#else
static record_t records[RING_RECORDS];
#endif
_Static_assert((RING_RECORDS & (RING_RECORDS - 1)) == 0, "indexes wrap with the ring");
static uint32_t head, tail;
static uint32_t front_loss; // at the tail: records overwritten by newer ones
static bool keep_newest = true;

static record_t *slot(uint8_t kind, uint32_t conn) {
    record_t *record = &records[head++ % RING_RECORDS];
    *record = (record_t) {.clock_us = tcptrace_port_clock_us(), .conn = conn, .kind = kind};
    return record;
}

static void overwrite_oldest(void) {
    const record_t *oldest = ring_at(tail++);
    front_loss += oldest->kind == RECORD_LOST ? oldest->number : 1;
}

// The last free slot is kept for the record that counts what is lost from there on, so that a loss
// always comes before the answer to a sync that follows it.
static void count_loss(uint32_t room) {
    record_t *newest = &records[(head - 1) % RING_RECORDS];
    if (room > 0 && newest->kind != RECORD_LOST) {
        newest = slot(RECORD_LOST, 0);
    }
    newest->number++;
}

record_t *ring_new(uint8_t kind, uint32_t conn) {
    if (keep_newest && RING_RECORDS - (head - tail) <= 1) {
        overwrite_oldest();
    }
    uint32_t room = RING_RECORDS - (head - tail);
    if (room <= 1) {
        count_loss(room);
        return NULL;
    }
    tcptrace_port_wake();
    return slot(kind, conn);
}

void ring_keep_newest(bool newest) {
    keep_newest = newest;
}

uint32_t ring_head(void) {
    return head;
}

uint32_t ring_tail(void) {
    return tail;
}

const record_t *ring_at(uint32_t index) {
    return &records[index % RING_RECORDS];
}

void ring_free_oldest(void) {
    tail++;
}

uint32_t ring_take_front_loss(void) {
    uint32_t count = front_loss;
    front_loss = 0;
    return count;
}
