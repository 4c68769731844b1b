/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * The devices of a PC, in the order in which they are probed.
 */

#include <stddef.h>

#include <sys/device.h>

const struct device_driver *const device_drivers[] = {
	&fdc_driver,
	&sb16_driver,
	&e1000_driver,
	&edu_driver,
	&nvme_driver,
	&ahci_driver,
	&piixide_driver,
	&sdhci_driver,
	&vioblk_driver,
	&vionet_driver,
	&xhci_driver,
	NULL
};
