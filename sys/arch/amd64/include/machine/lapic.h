/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

#ifndef _MACHINE_LAPIC_H_
#define	_MACHINE_LAPIC_H_

#include <stdbool.h>
#include <stdint.h>

/*
 * lapic_init: this CPU's local APIC: enabled, everything masked.
 * => on each CPU, on the boot CPU first, after clock_init() and pmap_init().
 * lapic_id: the identity of this CPU's.
 */
void	lapic_init(void);
uint32_t lapic_id(void);

/*
 * lapic_send_init, lapic_send_startup: the two messages that start a CPU;
 * page is the number of the page below 1 MiB at which it starts.
 * => false: the message was not accepted.
 */
bool	lapic_send_init(uint32_t apicid);
bool	lapic_send_startup(uint32_t apicid, uint8_t page);

/*
 * lapic_send_nmi: interrupt a CPU, whatever it does.
 * => false: the message was not accepted.  With interrupts disabled.
 */
bool	lapic_send_nmi(uint32_t apicid);

/*
 * lapic_timer_start: one timer interrupt, after usec microseconds.
 */
void	lapic_timer_start(unsigned usec);

#endif /* !_MACHINE_LAPIC_H_ */
