/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The Extant Authors
 */

/*
 * Devices of the reference kernel: what a driver shows of itself.
 */

#ifndef _SYS_DEVICE_H_
#define	_SYS_DEVICE_H_

/*
 * dd_name: as printed and as in the option require=NAME, e.g. "fdc".
 * dd_attach: look for the device and make it ready; prints one line that
 * describes it.  => 0; ENXIO: there is none (nothing is printed); another
 * error number: it is there but does not work (the driver says why).
 * dd_job: do what the device is in the reference kernel for: get memory
 * through bus_dma(9), move data, check it, give the memory back.  Prints one
 * line with the result.  => 0; ENODEV: there is nothing to use the device
 * with (no disk); another error number.  Called only after dd_attach()
 * returned 0; may be called more than once, and on any CPU, while others do
 * the jobs of other drivers.
 */
struct device_driver {
	const char	*dd_name;
	int		(*dd_attach)(void);
	int		(*dd_job)(void);
};

/* Each driver defines one, NAME_driver. */
extern const struct device_driver fdc_driver;	/* sys/dev/isa/fdc.c */
extern const struct device_driver sb16_driver;	/* sys/dev/isa/sb16.c */
extern const struct device_driver e1000_driver;	/* sys/dev/pci/e1000.c */
extern const struct device_driver edu_driver;	/* sys/dev/pci/edu.c */
extern const struct device_driver ahci_driver;	/* sys/dev/pci/ahci.c */
extern const struct device_driver piixide_driver; /* sys/dev/pci/piixide.c */
extern const struct device_driver nvme_driver;	/* sys/dev/pci/nvme.c */
extern const struct device_driver sdhci_driver;	/* sys/dev/pci/sdhci.c */
extern const struct device_driver vioblk_driver; /* sys/dev/pci/vioblk.c */
extern const struct device_driver vionet_driver; /* sys/dev/pci/vionet.c */
extern const struct device_driver xhci_driver;	/* sys/dev/pci/xhci.c */

/*
 * The drivers of a port, in the order in which they are probed; ends with
 * NULL.  Defined once a port.
 */
extern const struct device_driver *const device_drivers[];

/*
 * devices_run: attach all of them, and run the jobs, in turn or at the same
 * time; checkpoint(label) is called when nothing else runs.
 * => how many failed.
 * device_again: run the job of the device that was attached, by the driver's
 * name.  => 0; ENOENT: no such device was; or as the job.
 */
unsigned devices_run(void (*checkpoint)(const char *label));
int	device_again(const char *name);

#endif /* !_SYS_DEVICE_H_ */
