// See ring.h. Called from inside lwIP: never waits, never allocates.

#include "ring.h"
#include "board.h"

#ifdef TCPTRACE_RING_ADDRESS // memory that no linker script knows of
static record_t *const records = (record_t *)TCPTRACE_RING_ADDRESS;
#else
static record_t records[RING_RECORDS];
#endif
static uint32_t head, tail;
static uint32_t lost;       // at the head: records that found no room
static uint32_t front_loss; // at the tail: records overwritten by newer ones
static bool keep_newest = true;

static record_t *slot(uint8_t kind, uint32_t conn) {
    record_t *record = &records[head++ % RING_RECORDS];
    *record = (record_t) {.clock_us = clock_us(), .conn = conn, .kind = kind};
    return record;
}

record_t *ring_new(uint8_t kind, uint32_t conn) {
    uint32_t room = RING_RECORDS - (head - tail);
    if (keep_newest && room == 0) {
        tail++;
        front_loss++;
        room = 1;
    }
    if (lost > 0 && room >= 2) {
        slot(RECORD_LOST, 0)->number = lost;
        lost = 0;
        room--;
    }
    if (room == 0 || lost > 0) {
        lost++;
        return NULL;
    }
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

uint32_t ring_lost(void) {
    uint32_t count = lost;
    lost = 0;
    return count;
}
