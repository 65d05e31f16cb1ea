// The emulated board: start-up, clock, console, faults. Units are in the names.
#ifndef LWIPSCOPE_BOARD_H
#define LWIPSCOPE_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REG32(address) (*(volatile uint32_t *)(address))

// --- start parameters: a page in PSRAM that QEMU's loader device writes at each reset ---
#define BOARD_PARAMS_ADDRESS (0x203ff000u)
#define BOARD_PARAMS_MAGIC (0x5343574cu) // "LWCS"
#define BOARD_PARAM_MANUAL_CLOCK (1u)
#define BOARD_PARAM_DHCP (2u)

typedef struct {
    uint32_t magic;
    uint32_t host_number; // first half of the boot id
    uint32_t flags;
    uint32_t random_seed; // 0: made of host number and boot count
    uint8_t ip[4]; // 0.0.0.0: leave the interface alone
    uint8_t netmask[4];
    uint8_t gateway[4];
} board_params_t;

const board_params_t *board_params(void); // NULL when nobody wrote them
uint32_t board_boot_count(void);          // resets since power-up; survives a reset

// --- clock.c ---
void clock_init(bool start_manual);
uint64_t clock_us(void);      // board time: everything on the board is told this one
uint64_t clock_real_us(void); // time of the emulated timer, never moved
void clock_move_us(uint64_t delta_us);
void clock_set_manual(bool manual);
bool clock_is_manual(void);

// --- console.c ---
typedef struct {
    char text[128]; // without RS and LF, NUL-terminated
    bool ready;
} console_command_t;

void console_init(void);
bool console_input_pending(void);
bool console_try_write(char c);            // false: the UART does not take it now
bool console_taken(void);                  // the line has taken every byte
const char *console_command(void);         // the complete command line that has come in, or NULL
void console_command_done(void);           // the next one may come
void console_uart_isr(void);

// --- timer.c ---
void timer_poll(void);
uint32_t timer_sleep_ms(uint32_t limit_ms);
void timer_forget_all(void);

// --- lan9118.c ---
struct netif;
bool lan_init(void); // once; false: no such chip
void lan_poll(void);
bool lan_receive_pending(void);
void lan_irq_mask(void);
void lan_irq_unmask(void);
uint32_t lan_frames_received(void);
uint32_t lan_frames_sent(void);
struct netif *lan_netif(void);

// --- board.c ---
uint32_t board_application_note(void); // 0x385 or 0x500: which of the boards this is
const char *board_name(void);
void board_poll(void);      // frames, lwIP's timers, commands, trace; never raises
void board_poll_stack(void); // frames and lwIP's timers only
void board_idle(uint32_t timeout_ms);
void board_system_reset(void) __attribute__((noreturn));
void board_exit(int status) __attribute__((noreturn));

#endif
