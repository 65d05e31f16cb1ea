// What the board calls of the tracer, in firmware that has none (LWIPSCOPE_TRACER=0): nothing to send, no
// commands. Last words are plain text.

#include "board.h"
#include "tcptrace.h"

#if !LWIPSCOPE_TRACER

void tcptrace_service(void) {
}

bool tcptrace_finish_line(void) {
    return true;
}

bool tcptrace_before_text(void) {
    return true;
}

bool tcptrace_has_work(void) {
    return false;
}

void tcptrace_flush(void) {
}

void tcptrace_forget_agent(void) {
}

static void say(const char *text) {
    uint32_t patience = 20000000;
    while (*text && patience-- > 0) {
        text += console_try_write(*text);
    }
}

void tcptrace_last_words(const char *fields) {
    say("\r\nFAULT ");
    say(fields);
    say("\r\n");
}

#endif
