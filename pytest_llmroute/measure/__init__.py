"""What a case costs: RAM and CPU of this process and its children, and the machine it ran on."""
