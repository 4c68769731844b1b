/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * A model of the two 8237A of a PC AT and their page registers: Intel 8237A
 * data sheet, "Register Description" and "Software Commands".
 */

#ifndef _I8237_MODEL_H_
#define	_I8237_MODEL_H_

#include <stdbool.h>
#include <stdint.h>

struct controller {
	uint16_t	addr[4];
	uint16_t	count[4];
	uint16_t	base_addr[4];	/* what was written */
	uint16_t	base_count[4];
	uint8_t		mode[4];
	bool		masked[4];
	bool		tc[4];		/* the count went below zero */
	bool		high;		/* the flip-flop: upper byte next */
};

struct i8237_model {
	struct controller ctl[2];
	uint8_t		page[16];	/* from port 0x80 on */
	unsigned	accesses;
};

extern struct i8237_model i8237;

/* All channels masked, the rest as unhelpful as it may be. */
void	i8237_model_reset(void);

/* Is it a port of these? */
bool	i8237_model_has(uint16_t port);
void	i8237_model_out(uint16_t port, uint8_t v);
uint8_t	i8237_model_in(uint16_t port);

/*
 * i8237_model_step: the device of a channel moves a byte, or word.
 * => the physical address; fails the test if the channel is masked.
 */
uint64_t i8237_model_step(unsigned chan);

#endif /* !_I8237_MODEL_H_ */
