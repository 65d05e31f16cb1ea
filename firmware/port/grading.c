// Firmware that grades (LWIPSCOPE_GRADING=1): what a program could use to reach into memory or into the
// trace is left out (lwipscope_mpconfig.h, tcptrace/modtcptrace.c), and what no option leaves out is shut here.
// MicroPython is no sandbox: its own defects stay. Host and wire are the other witnesses.

#include <string.h>

#include "py/binary.h"
#include "py/gc.h"
#include "py/runtime.h"

#if LWIPSCOPE_GRADING

// micropython.kbd_intr(-1) would hold back the frames until the program's end (tcptrace/stream.c). Only
// modmicropython.c calls this in place of mp_hal_set_interrupt_char() (mpconfigboard.mk).
void lwipscope_kbd_intr(int c) {
    (void)c;
    mp_raise_NotImplementedError(MP_ERROR_TEXT("kbd_intr: not on firmware that grades"));
}

// Formats O and S of struct and array make an object or a string of any address.
size_t __real_mp_binary_get_size(char struct_type, char val_type, size_t *palign);
size_t __wrap_mp_binary_get_size(char struct_type, char val_type, size_t *palign) {
    if (val_type == 'O' || val_type == 'S') {
        mp_raise_ValueError(MP_ERROR_TEXT("bad typecode"));
    }
    return __real_mp_binary_get_size(struct_type, val_type, palign);
}

// A memoryview still points to the old memory of a bytearray that grew or shrank. That memory stays
// taken here until the collector finds that nobody points to it.
void *__real_gc_realloc(void *ptr, size_t n_bytes, bool allow_move);
void *__wrap_gc_realloc(void *ptr, size_t n_bytes, bool allow_move) {
    size_t old_bytes = ptr == NULL ? 0 : gc_nbytes(ptr);
    if (ptr == NULL) {
        return gc_alloc(n_bytes, 0);
    }
    if (n_bytes == 0) {
        return NULL;
    }
    if (n_bytes <= old_bytes) {
        return ptr;
    }
    void *grown = __real_gc_realloc(ptr, n_bytes, false);
    if (grown == NULL && allow_move) {
        grown = gc_alloc(n_bytes, 0);
        if (grown != NULL) {
            memcpy(grown, ptr, old_bytes);
        }
    }
    return grown;
}

// lwip.reset() would make lwIP forget its pcbs behind the tracer's back.
void __real_lwip_init(void);
void __wrap_lwip_init(void) {
    static bool done;
    if (!done) {
        done = true;
        __real_lwip_init();
    }
}

#endif
