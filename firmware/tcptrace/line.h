// One frame of the serial protocol being written: RS seq clock kind fields *crc LF.
#ifndef LWIPSCOPE_TCPTRACE_LINE_H
#define LWIPSCOPE_TCPTRACE_LINE_H

#include <stdbool.h>
#include <stdint.h>

#define LINE_BYTES (320)

typedef struct {
    char text[LINE_BYTES + 6];
    uint32_t length;
} line_t;

void line_start(line_t *line, uint32_t seq, uint64_t clock_us, const char *kind);
void line_end(line_t *line);
void line_text(line_t *line, const char *text);
void line_word(line_t *line, const char *text);                   // " text"
void line_number(line_t *line, const char *key, uint32_t number); // key holds the space: " seq="
void line_endpoint(line_t *line, const char *key, uint32_t ip, uint16_t port);
void line_flags(line_t *line, uint8_t flags);

uint32_t line_crc(const char *text, uint32_t length);

#endif
