/*
 * The one table with code that the kernel of our own runs: a q35 machine's root bus and how it is switched off. The
 * host's own DSDT is replaced by it, whatever its revision and its ids. It has no method, no region and no variable.
 *
 * Left out, and so not there in a guest: interrupt lines of PCI devices (_PRT; all of ours have message interrupts),
 * windows of the root bus (_CRS; the built-in command line says pci=nocrs, and the firmware, which is measured, has
 * placed everything), plugging in of processors, memory and devices, sleeping, the real-time clock's alarm.
 */
DefinitionBlock ("", "DSDT", 2, "POSTRN", "Q35GUEST", 0x00000001)
{
    Scope (\_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A08"))
            Name (_CID, EisaId ("PNP0A03"))
            Name (_BBN, Zero)
            Name (_UID, Zero)
        }
    }

    /* What is written into PM1_CNT.SLP_TYP to switch off (QEMU hw/acpi/core.c: 0 is "soft off"). */
    Name (\_S5, Package (4) { Zero, Zero, Zero, Zero })
}
