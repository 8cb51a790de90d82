/** FPGA cards: those of the kernel's own framework (fpga_manager, and OPAE's dfl-fme regions), and those of XRT's PCI drivers. */
import type { Card, CardKind } from './sysfs-cards.js';
import { boardWatts, children, hottest, resolved, sensorsBelow, textIn } from './sensors.js';

const PCI_ADDRESS = /[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]/g;
const XRT_DRIVERS = ['xocl', 'xclmgmt'] as const;

interface Found {
  readonly device: string;
  /** Where its manager tells its state. */
  readonly manager?: string;
}

export const FPGAS: CardKind = {
  kind: 'fpga', metrics: ['operating_ratio', 'temperature_celsius', 'power_watts'],
  none: (sysRoot) => `${sysRoot}/class/fpga_manager, class/fpga_region and the drivers ${XRT_DRIVERS.join(' and ')}: this host has no FPGA`,
  find(sysRoot) {
    const managers = children(`${sysRoot}/class/fpga_manager`, /^fpga\d+$/).map((manager): Found => ({ device: resolved(`${manager}/device`), manager }));
    const regions = children(`${sysRoot}/class/fpga_region`, /^region\d+$/).flatMap((region) => children(region, /^dfl-fme\.\d+$/)).map((device): Found => ({ device: resolved(device) }));
    const boards = XRT_DRIVERS.flatMap((driver) => children(`${sysRoot}/bus/pci/drivers/${driver}`, PCI_NAME)).map((device): Found => ({ device: resolved(device) }));
    // One board may show up under several of them: its PCI address tells (all functions of a board share it but for the last digit).
    const byBoard = new Map<string, Found[]>();
    for (const found of [...managers, ...regions, ...boards]) {
      const board = found.device.match(PCI_ADDRESS)?.at(-1)?.slice(0, -2) ?? found.device;
      byBoard.set(board, [...(byBoard.get(board) ?? []), found]);
    }
    return [...byBoard.values()].map(cardOf);
  },
};

const PCI_NAME = /^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]$/;

function cardOf(shown: readonly Found[]): Card {
  const sensors = shown.map(({ device }) => sensorsBelow(device));
  const files = { temperatures: sensors.flatMap(({ temperatures }) => temperatures), powers: sensors.flatMap(({ powers }) => powers) };
  const manager = shown.find((found) => found.manager !== undefined)?.manager;
  return {
    readings: {
      ...(manager === undefined ? {} : { operating_ratio: () => operating(textIn(`${manager}/state`)) }),
      ...(files.temperatures.length === 0 ? {} : { temperature_celsius: () => hottest(files) }),
      ...(files.powers.length === 0 ? {} : { power_watts: () => boardWatts(files) }),
    },
  };
}

/** `operating` after a good configuration; other states are `write`, `power off`, `reset`, or an error; `unknown` tells nothing. */
const operating = (state: string | undefined): number | undefined => (state === undefined || state === 'unknown' ? undefined : state === 'operating' ? 1 : 0);
