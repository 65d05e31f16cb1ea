// See line.h. Written by hand and not with printf, which would be the largest cost of a trace.

#include "line.h"
#include "lwip/prot/tcp.h"

#define RS '\x1e'

// CRC-32 of IEEE 802.3 (as in zlib), four bits at a time.
uint32_t line_crc(const char *text, uint32_t length) {
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t crc = 0xffffffff;
    for (uint32_t i = 0; i < length; i++) {
        crc ^= (uint8_t)text[i];
        crc = (crc >> 4) ^ table[crc & 15];
        crc = (crc >> 4) ^ table[crc & 15];
    }
    return ~crc;
}

static void put(line_t *line, char c) {
    if (line->length < LINE_BYTES - 11) { // room for " *", the checksum and LF
        line->text[line->length++] = c;
    }
}

void line_text(line_t *line, const char *text) {
    while (*text) {
        put(line, *text++);
    }
}

static void put_decimal(line_t *line, uint32_t number) {
    char digits[10];
    int count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    while (count > 0) {
        put(line, digits[--count]);
    }
}

static void put_decimal_64(line_t *line, uint64_t number) {
    if (number <= UINT32_MAX) {
        put_decimal(line, (uint32_t)number);
        return;
    }
    put_decimal_64(line, number / 1000000000u);
    uint32_t rest = (uint32_t)(number % 1000000000u);
    for (uint32_t scale = 100000000u; scale > 0; scale /= 10) {
        put(line, (char)('0' + rest / scale % 10));
    }
}

void line_start(line_t *line, uint32_t seq, uint64_t clock_us, const char *kind) {
    line->length = 0;
    put(line, RS);
    put_decimal(line, seq);
    put(line, ' ');
    put_decimal_64(line, clock_us);
    line_word(line, kind);
}

void line_word(line_t *line, const char *text) {
    put(line, ' ');
    line_text(line, text);
}

void line_number(line_t *line, const char *key, uint32_t number) {
    line_text(line, key);
    put_decimal(line, number);
}

void line_endpoint(line_t *line, const char *key, uint32_t ip, uint16_t port) {
    line_text(line, key);
    for (int i = 0; i < 4; i++) {
        put_decimal(line, (ip >> (8 * i)) & 0xff);
        put(line, i < 3 ? '.' : ':');
    }
    put_decimal(line, port);
}

// tcpdump's letters, in its order.
void line_flags(line_t *line, uint8_t flags) {
    static const struct {
        uint8_t flag;
        char letter;
    } letters[] = {
        {TCP_FIN, 'F'}, {TCP_SYN, 'S'}, {TCP_RST, 'R'}, {TCP_PSH, 'P'},
        {TCP_ACK, '.'}, {TCP_URG, 'U'}, {TCP_ECE, 'E'}, {TCP_CWR, 'W'},
    };
    if (flags == 0) {
        line_text(line, "none");
    }
    for (unsigned i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
        if (flags & letters[i].flag) {
            put(line, letters[i].letter);
        }
    }
}

void line_end(line_t *line) {
    uint32_t crc = line_crc(line->text + 1, line->length - 1);
    char *end = line->text + line->length;
    *end++ = ' ';
    *end++ = '*';
    for (int shift = 28; shift >= 0; shift -= 4) {
        *end++ = "0123456789abcdef"[(crc >> shift) & 15];
    }
    *end++ = '\n';
    line->length = (uint32_t)(end - line->text);
}
