// The same objects as the CommonJS entry point's, under names.
import inspireAuth from './index.js';

export const {
  ABI_VERSION,
  CATALOGUE,
  ERRORS,
  InspireAuth,
  InspireAuthError,
  Keys,
  License,
  Principal,
  Requirement,
  Routes,
  SYSTEM,
  SigningKey,
  TrustedProxies,
  VERSION,
  backupStore,
  backupStoreSync,
  errors,
  explainMachine,
  inspect,
  inspectLicenseKey,
  machineIdentity,
  open,
  restoreStore,
  restoreStoreSync,
  sign,
  tenantEffective,
  verifyAudit,
  verifyAuditSync,
} = inspireAuth;
export default inspireAuth;
