// Start-up, interrupts, idling and last words of the emulated board. MicroPython's main.c is used
// unchanged: it reaches us through MICROPY_PORT_INIT_FUNC and the event and VM hooks.
//
// Source: ARMv7-M Architecture Reference Manual (VTOR, NVIC, SysTick, CFSR); Arm semihosting
// specification (SYS_EXIT_EXTENDED).

#include <stdio.h>
#include <string.h>

#include "board.h"
#include "tcptrace.h"
#include "lwip/dhcp.h"
#include "lwip/init.h"
#include "lwip/netif.h"
#include "lwip/tcp.h"
#include "lwip/timeouts.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "extmod/modnetwork.h"

#define CPU_HZ_PER_MS (25000)
#define SYSTICK_CTRL REG32(0xe000e010)
#define SYSTICK_LOAD REG32(0xe000e014)
#define SYSTICK_VALUE REG32(0xe000e018)
#define NVIC_ENABLE0 REG32(0xe000e100)
#define SCB_VTOR REG32(0xe000ed08)
#define SCB_AIRCR REG32(0xe000ed0c)
#define SCB_CFSR REG32(0xe000ed28)
#define SCB_HFSR REG32(0xe000ed2c)
#define SCB_BFAR REG32(0xe000ed38)
#define IRQ_UART_RX (0)
#define IRQ_ETHERNET (13)
#define VECTORS (16 + 32)
#define IDLE_MAX_MS (500)
#define EXIT_FAULT (98)
#define EXIT_ASSERT (99)
#define EXIT_PATIENCE_US (200000)

unsigned int board_vm_countdown = MICROPY_VM_HOOK_COUNT;
static bool started;
static bool stack_busy;
static bool frames_came; // since the last sleep: a sleeper must look again before it sleeps
static uint32_t random_state = 0x6c774950;

// --- what survives a reset, and what the host wrote before it ---

#define BOOT_COUNT_MAGIC (0x544f4f42u)
typedef struct {
    uint32_t magic;
    uint32_t count;
} boot_count_t;
#define BOOT_COUNT ((volatile boot_count_t *)0x203fe000)

const board_params_t *board_params(void) {
    const board_params_t *params = (const board_params_t *)BOARD_PARAMS_ADDRESS;
    return params->magic == BOARD_PARAMS_MAGIC ? params : NULL;
}

// The number of Arm's application note is in bits 15:4 of the SCC's id register (AN385, AN500).
uint32_t board_application_note(void) {
    return (REG32(0x4002fffc) >> 4) & 0xfff;
}

const char *board_name(void) {
    return board_application_note() == 0x500 ? "mps2-an500" : "mps2-an385";
}

uint32_t board_boot_count(void) {
    return BOOT_COUNT->count;
}

static void count_boot(void) {
    if (BOOT_COUNT->magic != BOOT_COUNT_MAGIC) {
        BOOT_COUNT->magic = BOOT_COUNT_MAGIC;
        BOOT_COUNT->count = 0;
    } else {
        BOOT_COUNT->count++;
    }
}

// xorshift32 (Marsaglia 2003). Same seed, same numbers: lwIP's choices are part of a reproducible run.
uint32_t board_random(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

// netif.c wants it, and this port links without a C library.
int atoi(const char *text) {
    int value = 0;
    while (*text >= '0' && *text <= '9') {
        value = value * 10 + (*text++ - '0');
    }
    return value;
}

// --- last words ---

void board_exit(int status) {
    static uint32_t block[2];
    // What the line has taken outlives QEMU; only the last byte may still wait for that. Bounded:
    // perhaps nobody reads. Also where the timer does not run yet.
    uint64_t end_us = clock_real_us() + EXIT_PATIENCE_US;
    for (uint32_t patience = 50000000; patience > 0 && clock_real_us() < end_us; patience--) {
        if (console_taken()) {
            break;
        }
    }
    block[0] = 0x20026; // ADP_Stopped_ApplicationExit
    block[1] = (uint32_t)status;
    register uint32_t operation __asm__ ("r0") = 0x20; // SYS_EXIT_EXTENDED
    register uint32_t *argument __asm__ ("r1") = block;
    __asm volatile ("bkpt 0xab" : "+r" (operation) : "r" (argument) : "memory");
    for (;;) {
    }
}

__attribute__((used)) static void fault_report(const uint32_t *stack, uint32_t exception) {
    static const char *const names[] = {"HardFault", "MemManage", "BusFault", "UsageFault"};
    char text[160];
    const char *name = exception >= 3 && exception <= 6 ? names[exception - 3] : "exception";
    snprintf(text, sizeof(text), "kind=%s pc=%08x lr=%08x cfsr=%08x hfsr=%08x address=%08x", name,
        (unsigned)stack[6], (unsigned)stack[5], (unsigned)SCB_CFSR, (unsigned)SCB_HFSR, (unsigned)SCB_BFAR);
    tcptrace_last_words(text);
    board_exit(EXIT_FAULT);
}

__attribute__((naked)) static void fault_isr(void) {
    __asm volatile (
        "mrs r1, ipsr \n"
        "mov r0, sp   \n"
        "b fault_report \n");
}

void board_assert_failed(const char *text, const char *file, int line) {
    char words[180];
    const char *name = file;
    for (const char *c = file; *c; c++) {
        name = *c == '/' ? c + 1 : name;
    }
    int length = snprintf(words, sizeof(words), "kind=assert at=%s:%d text=", name, line);
    for (; *text && length < (int)sizeof(words) - 1; text++) {
        words[length++] = *text == ' ' ? '_' : *text; // a value has no spaces
    }
    words[length] = 0;
    tcptrace_last_words(words);
    board_exit(EXIT_ASSERT);
}

void board_system_reset(void) {
    SCB_AIRCR = 0x05fa0004; // SYSRESETREQ
    for (;;) {
    }
}

// Without semihosting the stock function would fault before main(); nothing here needs it.
void __wrap_mp_semihosting_init(void) {
}

// --- interrupts ---

static void eth_isr(void) {
    lan_irq_mask();
}

static void tick_isr(void) {
    SYSTICK_CTRL = 0;
}

static uint32_t vectors[VECTORS] __attribute__((aligned(512)));

extern const uint32_t isr_vector[]; // ports/qemu/mcu/arm/startup.c

static void install_vectors(void) {
    memcpy(vectors, isr_vector, 16 * sizeof(uint32_t));
    for (int i = 2; i <= 6; i++) {
        vectors[i] = (uint32_t)fault_isr;
    }
    for (int i = 16; i < VECTORS; i++) {
        vectors[i] = (uint32_t)fault_isr;
    }
    vectors[15] = (uint32_t)tick_isr;
    vectors[16 + IRQ_UART_RX] = (uint32_t)console_uart_isr;
    vectors[16 + IRQ_ETHERNET] = (uint32_t)eth_isr;
    SCB_VTOR = (uint32_t)vectors;
    NVIC_ENABLE0 = 1u << IRQ_UART_RX;
}

// --- start ---

// Before lwip_init(), which draws the first ephemeral port.
static void seed_random(void) {
    const board_params_t *params = board_params();
    if (params == NULL) {
        return;
    }
    random_state = params->random_seed;
    if (random_state == 0) {
        // Other ports after each start, or a peer's memory of the last life gets in the way.
        random_state = (params->host_number * 0x9e3779b9u) ^ (board_boot_count() * 0x85ebca6bu) ^ 0x6c774950u;
    }
}

static void apply_params(void) {
    const board_params_t *params = board_params();
    if (params == NULL) {
        return;
    }
    if (params->flags & BOARD_PARAM_DHCP) {
        dhcp_start(lan_netif());
    } else if (params->ip[0] != 0) {
        ip4_addr_t ip, netmask, gateway;
        memcpy(&ip, params->ip, 4);
        memcpy(&netmask, params->netmask, 4);
        memcpy(&gateway, params->gateway, 4);
        netif_set_addr(lan_netif(), &ip, &netmask, &gateway);
    }
}

// Called by mp_init(), so also after a soft reset: lwIP starts once, as on other ports.
void board_init(void) {
    if (!started) {
        started = true;
        count_boot();
        install_vectors();
        const board_params_t *params = board_params();
        clock_init(params != NULL && (params->flags & BOARD_PARAM_MANUAL_CLOCK));
        console_init();
        seed_random();
        lwip_init();
        if (lan_init()) {
            // Only now: the chip's interrupt line is active low, so asserted, until it is configured.
            NVIC_ENABLE0 = 1u << IRQ_ETHERNET;
            apply_params();
        }
    }
    mod_network_init();
}

void board_soft_reset(void) {
    tcptrace_forget_agent();
    timer_forget_all();
}

// --- the turn of the wheel ---

void board_poll_stack(void) {
    if (!started || stack_busy) {
        return;
    }
    stack_busy = true;
    uint32_t before = lan_frames_received();
    lan_poll();
    sys_check_timeouts();
    frames_came |= lan_frames_received() != before;
    stack_busy = false;
}

void board_poll(void) {
    board_poll_stack();
    if (!stack_busy) {
        timer_poll();
        tcptrace_service();
    }
}

// Sleeps until an interrupt, lwIP's next timer or the timeout. A frame that the preceding poll took
// may have made a socket ready: then the caller must look before it sleeps (a lost wake-up costs
// milliseconds per connection).
void board_idle(uint32_t timeout_ms) {
    if (frames_came || tcptrace_has_work()) {
        frames_came = false;
        return;
    }
    uint32_t sleep_ms = timeout_ms < IDLE_MAX_MS ? timeout_ms : IDLE_MAX_MS;
    if (!clock_is_manual()) {
        uint32_t timer_ms = sys_timeouts_sleeptime();
        sleep_ms = timer_ms < sleep_ms ? timer_ms : sleep_ms;
    }
    sleep_ms = timer_sleep_ms(sleep_ms);
    if (sleep_ms == 0) {
        return;
    }
    // WFI with interrupts masked wakes all the same, and closes the gap between test and sleep.
    __asm volatile ("cpsid i" ::: "memory");
    if (!console_input_pending() && !lan_receive_pending()) {
        lan_irq_unmask();
        SYSTICK_LOAD = sleep_ms * CPU_HZ_PER_MS - 1;
        SYSTICK_VALUE = 0;
        SYSTICK_CTRL = 7;
        __asm volatile ("dsb; wfi" ::: "memory");
    }
    __asm volatile ("cpsie i; isb" ::: "memory");
    SYSTICK_CTRL = 0;
}

// --- MicroPython defects (see firmware/README.md) ---

#if LWIPSCOPE_WORKAROUNDS
// modlwip's close() of a listener calls tcp_err() and tcp_recv() on a struct tcp_pcb_listen, which has
// no such fields: a failed assertion, or two words written behind the object.
void __real_tcp_err(struct tcp_pcb *pcb, tcp_err_fn err);
void __wrap_tcp_err(struct tcp_pcb *pcb, tcp_err_fn err) {
    if (pcb == NULL || pcb->state != LISTEN) {
        __real_tcp_err(pcb, err);
    }
}

void __real_tcp_recv(struct tcp_pcb *pcb, tcp_recv_fn recv);
void __wrap_tcp_recv(struct tcp_pcb *pcb, tcp_recv_fn recv) {
    if (pcb == NULL || pcb->state != LISTEN) {
        __real_tcp_recv(pcb, recv);
    }
}
#endif
