/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Instructions that C does not have.
 */

#ifndef _MACHINE_CPUFUNC_H_
#define	_MACHINE_CPUFUNC_H_

#include <stdint.h>

static inline uint8_t
inb(uint16_t port)
{
	uint8_t v;

	__asm volatile("inb %1, %0" : "=a" (v) : "Nd" (port) : "memory");
	return (v);
}

static inline uint16_t
inw(uint16_t port)
{
	uint16_t v;

	__asm volatile("inw %1, %0" : "=a" (v) : "Nd" (port) : "memory");
	return (v);
}

static inline uint32_t
inl(uint16_t port)
{
	uint32_t v;

	__asm volatile("inl %1, %0" : "=a" (v) : "Nd" (port) : "memory");
	return (v);
}

static inline void
outb(uint16_t port, uint8_t v)
{

	__asm volatile("outb %0, %1" : : "a" (v), "Nd" (port) : "memory");
}

static inline void
outw(uint16_t port, uint16_t v)
{

	__asm volatile("outw %0, %1" : : "a" (v), "Nd" (port) : "memory");
}

static inline void
outl(uint16_t port, uint32_t v)
{

	__asm volatile("outl %0, %1" : : "a" (v), "Nd" (port) : "memory");
}

/* cpu_pause: in a loop that waits for another CPU or a device. */
static inline void
cpu_pause(void)
{

	__asm volatile("pause" : : : "memory");
}

/* mfence: order loads and stores, also against devices. */
static inline void
mfence(void)
{

	__asm volatile("mfence" : : : "memory");
}

static inline uint64_t
rdtsc(void)
{
	uint32_t lo, hi;

	__asm volatile("lfence; rdtsc" : "=a" (lo), "=d" (hi) : : "memory");
	return ((uint64_t)hi << 32 | lo);
}

static inline uint64_t
rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	__asm volatile("rdmsr" : "=a" (lo), "=d" (hi) : "c" (msr));
	return ((uint64_t)hi << 32 | lo);
}

static inline void
wrmsr(uint32_t msr, uint64_t v)
{

	__asm volatile("wrmsr" : : "c" (msr), "a" ((uint32_t)v),
	    "d" ((uint32_t)(v >> 32)) : "memory");
}

static inline uint64_t
rcr2(void)
{
	uint64_t v;

	__asm volatile("movq %%cr2, %0" : "=r" (v));
	return (v);
}

static inline uint64_t
rcr3(void)
{
	uint64_t v;

	__asm volatile("movq %%cr3, %0" : "=r" (v));
	return (v);
}

/* lcr3: load the page table root; forgets all cached translations. */
static inline void
lcr3(uint64_t v)
{

	__asm volatile("movq %0, %%cr3" : : "r" (v) : "memory");
}

static inline void
invlpg(const void *va)
{

	__asm volatile("invlpg (%0)" : : "r" (va) : "memory");
}

#endif /* !_MACHINE_CPUFUNC_H_ */
