/** The list of collectors. A new one is a new file and one line here; one contract suite runs them all. */
import { groupPressure, hostPressure } from './pressure.js';
import type { CollectorEntry } from './context.js';
import { HARDWARE_ERROR_METRICS, HardwareErrors } from './hardware-errors.js';
import { HostCpu } from './host-cpu.js';
import { HostDisk } from './host-disk.js';
import { HostMemory } from './host-memory.js';
import { Network } from './network.js';
import { Power } from './power.js';
import { ProcessCpu } from './process-cpu.js';
import { ProcessDisk } from './process-disk.js';
import { ProcessMemory } from './process-memory.js';
import { Temperature } from './temperature.js';
import { Throttling } from './throttling.js';
import { Unavailable } from './unavailable.js';

const PRESSURE_METRICS = ['cpu.pressure_ratio', 'memory.pressure_ratio', 'io.pressure_ratio'];
const NO_GROUP = 'the kernel counts this by control group, and the device has none';

export const COLLECTORS: readonly CollectorEntry[] = [
  {
    name: 'cpu', metrics: ['cpu.cores', 'cpu.cores.<n>', 'cpu.capacity_cores'],
    host: (context) => new HostCpu(context), processes: (context) => new ProcessCpu(context),
  },
  {
    name: 'memory', metrics: ['memory.bytes', 'memory.capacity_bytes'],
    host: (context) => new HostMemory(context), processes: (context) => new ProcessMemory(context),
  },
  {
    name: 'disk', metrics: ['disk.read_bytes_per_second', 'disk.write_bytes_per_second'],
    host: (context) => new HostDisk(context), processes: (context) => new ProcessDisk(context),
  },
  {
    name: 'network', metrics: ['network.receive_bytes_per_second', 'network.transmit_bytes_per_second'],
    host: (context) => new Network(context),
    processes: 'the kernel counts network bytes by network namespace, not by process',
  },
  {
    name: 'pressure', metrics: PRESSURE_METRICS, host: hostPressure,
    processes: ({ cgroupFolder }) => cgroupFolder === undefined ? new Unavailable('pressure', PRESSURE_METRICS, NO_GROUP) : groupPressure(cgroupFolder),
  },
  {
    name: 'throttling', metrics: ['cpu.throttled_ratio'],
    host: 'the whole machine has no quota',
    processes: ({ cgroupFolder }) => cgroupFolder === undefined
      ? new Unavailable('throttling', ['cpu.throttled_ratio'], NO_GROUP) : new Throttling(cgroupFolder),
  },
  // A process tree is as hot as the machine it runs on; but the machine's power would be counted once per device.
  {
    name: 'temperature', metrics: ['temperature.celsius', 'temperature.margin_celsius'],
    host: (context) => new Temperature(context), processes: (context) => new Temperature(context),
  },
  // And a device fails with its machine.
  { name: 'hardware-errors', metrics: HARDWARE_ERROR_METRICS, host: (context) => new HardwareErrors(context), processes: (context) => new HardwareErrors(context) },
  {
    name: 'power', metrics: ['power.watts'], host: (context) => new Power(context),
    processes: 'RAPL measures the whole package, which other devices share',
  },
];
