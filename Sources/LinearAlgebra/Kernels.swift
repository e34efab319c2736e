import CKernels

/// The C kernels chosen for this processor (AVX2 where it has it, else portable). See CKernels/include/kernels.h.
public let kernels: CKernels = ckBest().pointee

/// The name of the chosen bodies, for result files.
public var kernelsDescription: String { ckAVX2() == nil ? "portable" : "avx2" }
