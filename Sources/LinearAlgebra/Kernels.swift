import CKernels

/// The C kernels chosen for this processor (AVX-512 or AVX2 where it has them, else portable). See CKernels/include/kernels.h.
public let kernels: CKernels = ckBest().pointee

/// The name of the chosen bodies, for result files.
public var kernelsDescription: String { ckAVX512() != nil ? "avx512" : ckAVX2() != nil ? "avx2" : "portable" }
