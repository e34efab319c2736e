import CBLAS
import CKernels
import Glibc

/// OpenBLAS chooses its kernels when it is loaded, by the processors it knows. On one that is newer than itself it falls
/// back to those of 2004 (0.3.21 on Sapphire and Emerald Rapids), with a fifth of the speed; the environment variable
/// OPENBLAS_CORETYPE tells it better, but only before it is loaded.
extension BLAS {
  /// The core type that this process should have been told; nil where OpenBLAS chose well.
  static func betterCore(than chosen: String, hasAVX2: Bool, hasAVX512: Bool) -> String? {
    guard chosen.lowercased() == "prescott", hasAVX2 else { return nil }
    return hasAVX512 ? "SkylakeX" : "Haswell"
  }

  /// Starts this program again, with the same arguments, where OpenBLAS does not know the processor; returns where there
  /// is nothing to gain, the user has chosen kernels by OPENBLAS_CORETYPE, or it cannot be started again.
  ///
  /// To be called first of all, before anything was read or written.
  public static func restartWithFittingKernels() {
    guard getenv("OPENBLAS_CORETYPE") == nil,
      let core = betterCore(
        than: String(cString: openblas_get_corename()), hasAVX2: ckAVX2() != nil, hasAVX512: ckAVX512() != nil)
    else { return }
    setenv("OPENBLAS_CORETYPE", core, 1)
    execv("/proc/self/exe", CommandLine.unsafeArgv)
  }
}
