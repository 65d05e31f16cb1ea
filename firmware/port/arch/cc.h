// lwIP's compiler description. lwip/arch.h derives the integer types from <stdint.h>; this port links
// without a C library, so ctype.h is not to be used.
#ifndef LWIPSCOPE_ARCH_CC_H
#define LWIPSCOPE_ARCH_CC_H

#include <stdint.h>

#define LWIP_NO_CTYPE_H 1
#ifndef BYTE_ORDER
#define BYTE_ORDER LITTLE_ENDIAN
#endif

void board_assert_failed(const char *text, const char *file, int line) __attribute__((noreturn));
uint32_t board_random(void);

#define LWIP_PLATFORM_DIAG(x)
#define LWIP_PLATFORM_ASSERT(x) board_assert_failed(x, __FILE__, __LINE__)
#define LWIP_RAND() board_random()

#endif
