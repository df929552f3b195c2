// Varve, measured as the other programs are, in a process of its own.
import { runPeer } from "./node-harness.ts";
import { peerData } from "./shared-data.ts";
import { openVarve } from "./varve-peer.ts";

const data = peerData.find(({ name }) => name === process.argv[6]);
if (data === undefined) throw new Error(`There is no data ${process.argv[6]}`);
await runPeer((meta, work) => openVarve(data, meta, work));
