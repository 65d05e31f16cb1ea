// MicroPython's options for the emulated board: those of ports/qemu, with time, select, asyncio and
// the network switched on. ports/qemu sets its options unconditionally, hence the #undef lines.
#include "ports/qemu/mpconfigport.h"

#define MICROPY_MPHALPORT_H "lwipscope_mphal.h"

#undef MICROPY_PY_SYS_STDIO_BUFFER
#define MICROPY_PY_SYS_STDIO_BUFFER (1)
#undef MICROPY_PY_SELECT
#define MICROPY_PY_SELECT (1)
#undef MICROPY_PY_ASYNCIO
#define MICROPY_PY_ASYNCIO (1)
#undef MICROPY_PY_TIME
#define MICROPY_PY_TIME (1)
#define MICROPY_PY_TIME_TIME_TIME_NS (1)
#define MICROPY_PY_TIME_INCLUDEFILE "modtime_board.h"
#undef MICROPY_PY_MACHINE_INCLUDEFILE
#define MICROPY_PY_MACHINE_INCLUDEFILE "modmachine_board.h"

// machine.Timer (timer.c).
#define MICROPY_PY_MACHINE_TIMER (1)
#define MICROPY_PY_MACHINE_EXTRA_GLOBALS \
    { MP_ROM_QSTR(MP_QSTR_Timer), MP_ROM_PTR(&machine_timer_type) },

#define MICROPY_KBD_EXCEPTION (1)
#define MICROPY_ENABLE_SCHEDULER (1)
#define MICROPY_ENABLE_FINALISER (1)

#define MICROPY_PY_NETWORK (1)
#define MICROPY_PY_NETWORK_HOSTNAME_DEFAULT "lwipscope"
#define MICROPY_PY_LWIP_SOCK_RAW (!LWIPSCOPE_GRADING)
extern const struct _mp_obj_type_t lwipscope_lan_type;
#define MICROPY_PORT_NETWORK_INTERFACES \
    { MP_ROM_QSTR(MP_QSTR_LAN), MP_ROM_PTR(&lwipscope_lan_type) },

// Firmware that grades programs: none of the ways to touch memory, or to send segments that lwIP's TCP
// did not make (SOCK_RAW, above). Machine code, also in .mpy files, and their bytecode, which nobody
// verifies; a ROM filesystem, whose records may point anywhere; asyncio's queue in C, which takes any
// object for a task (the one in Python, asyncio/task.py, is frozen instead). See grading.c.
#if LWIPSCOPE_GRADING
#define MICROPY_PY_MACHINE_MEMX (0)
#define MICROPY_PY_UCTYPES (0)
#define MICROPY_PY_FRAMEBUF (0)
#undef MICROPY_PY_ASYNCIO
#define MICROPY_PY_ASYNCIO (0)
#undef MICROPY_EMIT_THUMB
#define MICROPY_EMIT_THUMB (0)
#undef MICROPY_EMIT_INLINE_THUMB
#define MICROPY_EMIT_INLINE_THUMB (0)
#undef MICROPY_PERSISTENT_CODE_LOAD
#define MICROPY_PERSISTENT_CODE_LOAD (0)
#undef MICROPY_VFS_ROM
#define MICROPY_VFS_ROM (0)
#endif

// main.c is MicroPython's own; these two are its only ways to call us.
void board_init(void);
void board_soft_reset(void);
#define MICROPY_PORT_INIT_FUNC board_init()
#define MICROPY_PORT_DEINIT_FUNC board_soft_reset()

// The stack also runs under busy Python code: a poll each 256 backward branches.
extern unsigned int board_vm_countdown;
void board_poll(void);
#define MICROPY_VM_HOOK_COUNT (256)
#define MICROPY_VM_HOOK_POLL if (--board_vm_countdown == 0) { board_vm_countdown = MICROPY_VM_HOOK_COUNT; board_poll(); }
#define MICROPY_VM_HOOK_LOOP MICROPY_VM_HOOK_POLL
#define MICROPY_VM_HOOK_RETURN MICROPY_VM_HOOK_POLL
