import Datasets
import Foundation
import LinearAlgebra
import NeuralNetworks

/// Writes weights, a batch, logits, loss and all gradients of whole networks for peers/torch_precision.py, which compares
/// them with PyTorch's in float64, beside PyTorch's own float32.
func precision(python: String) throws {
  let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../peers/torch_precision.py").standardized.path
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent("simengine-precision-\(getpid())")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  var files: [String] = []
  for (net, batchNorm) in [("lenet5", false), ("vgg8", true), ("vgg8", false), ("resnet20", true)] {
    let batch = 64
    let b = try TrainingBenchmark(net, options: ArchitectureOptions(batchNorm: batchNorm), batch: batch, threads: 2)
    // A few steps away from the initial weights, where gradients are no longer special.
    for _ in 0..<3 { try b.step() }
    let w = b.trainer.workspace
    let model = w.model
    var tensors = model.stateDictionary.map { Safetensors.NamedArray("model.\($0.name)", $0.tensor) }
    let x = RandomStream(seed: 3, purpose: 1).uniforms(batch * model.inputShape.count)
    for i in 0..<x.count { w.input[i] = x[i] }
    let labels = (0..<batch).map { Int32($0 * 3 % 10) }
    let loss = labels.withUnsafeBufferPointer {
      w.targets = Targets(labels: $0.baseAddress!)
      let loss = w.forward(samples: batch, training: true, loss: true)
      w.backward()
      return loss
    }
    let shape = model.inputShape
    tensors.append(.init("input", Tensor(shape: [batch, shape.height, shape.width, shape.channels], values: x)))
    tensors.append(.init("labels", labels.map(Int.init)))
    tensors.append(.init("loss", [loss]))
    tensors.append(
      .init(
        "logits",
        Tensor(shape: [batch, 10], values: Array(UnsafeBufferPointer(start: w.output, count: batch * 10)))))
    tensors += model.gradients(w.gradient).map { Safetensors.NamedArray("gradient.\($0.name)", $0.tensor) }
    let file = folder.appendingPathComponent("\(net)\(batchNorm && net == "vgg8" ? "-bn" : "").safetensors").path
    try Safetensors.write(tensors, to: file)
    files.append(file)
  }
  let process = Process()
  process.executableURL = URL(fileURLWithPath: python)
  process.arguments = [script] + files
  try process.run()
  process.waitUntilExit()
}
