/** Published as `varve/testing`: what it takes to test a store, and what is built on one. */
export type { ContractSettings, ContractSubject, WireFault } from "./contract-case.ts";
export { CrashFileSystem, type DiskEvent } from "./crash-file-system.ts";
export { type CrashState, type CrashStatesOptions, crashStates } from "./crash-states.ts";
export type { DiskImage } from "./disk-image.ts";
export { type Fault, type FaultKind, FaultPlan, type FaultStore, type StoreMethod, withFaults } from "./fault-store.ts";
export {
  describeFileCall,
  type FileCall,
  failFileCalls,
  fileError,
  type Interceptor,
  interceptFileSystem,
  recordFileCalls,
} from "./intercept-file-system.ts";
export { type RecordedOperation, type RecordedStore, withRecording } from "./recording-store.ts";
export { type ContractRunner, type CreateSubject, storeContract } from "./store-contract.ts";
