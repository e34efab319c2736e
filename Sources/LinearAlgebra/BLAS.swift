import CBLAS

/// Matrix products on OpenBLAS, row-major, single-threaded: threads belong to `ThreadPool`.
public enum BLAS {
  private static let once: Void = openblas_set_num_threads(1)

  /// Keeps OpenBLAS on the calling thread. Every entry point of the library that owns threads calls it.
  public static func useOneThread() { _ = once }

  /// OpenBLAS version and the kernel set it chose for this processor, for result files.
  public static var description: String {
    "\(String(cString: openblas_get_config())), \(String(cString: openblas_get_corename()))"
  }

  /// C = α · op(A) · op(B) + β · C
  ///
  /// - op(A): [m, k]   - op(B): [k, n]   - C: [m, n]; each leading dimension is the stored row length.
  @inline(__always)
  public static func gemm(
    _ transposeA: Bool, _ transposeB: Bool, m: Int, n: Int, k: Int, alpha: Float = 1,
    _ a: UnsafePointer<Float>, _ lda: Int, _ b: UnsafePointer<Float>, _ ldb: Int,
    beta: Float = 0, _ c: UnsafeMutablePointer<Float>, _ ldc: Int
  ) {
    cblas_sgemm(
      CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
      blasint(m), blasint(n), blasint(k), alpha, a, blasint(lda), b, blasint(ldb), beta, c, blasint(ldc))
  }

  /// The Float64 form of `gemm`.
  @inline(__always)
  public static func gemm(
    _ transposeA: Bool, _ transposeB: Bool, m: Int, n: Int, k: Int, alpha: Double = 1,
    _ a: UnsafePointer<Double>, _ lda: Int, _ b: UnsafePointer<Double>, _ ldb: Int,
    beta: Double = 0, _ c: UnsafeMutablePointer<Double>, _ ldc: Int
  ) {
    cblas_dgemm(
      CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
      blasint(m), blasint(n), blasint(k), alpha, a, blasint(lda), b, blasint(ldb), beta, c, blasint(ldc))
  }
}
