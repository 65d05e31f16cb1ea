ifneq ($(LWIPSCOPE_TRACER),0)
TCPTRACE_DIR := $(USERMOD_DIR)
SRC_USERMOD_C += $(TCPTRACE_DIR)/modtcptrace.c
SRC_USERMOD_LIB_C += \
	$(TCPTRACE_DIR)/calls.c \
	$(TCPTRACE_DIR)/command.c \
	$(TCPTRACE_DIR)/hooks.c \
	$(TCPTRACE_DIR)/line.c \
	$(TCPTRACE_DIR)/pcbs.c \
	$(TCPTRACE_DIR)/ring.c \
	$(TCPTRACE_DIR)/stream.c
endif
