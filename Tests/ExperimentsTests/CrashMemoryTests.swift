@testable import Datasets
import Foundation
import Testing

@Suite("Memory")
struct CrashMemoryTests {
  @Test("VGG-16 on 32×32 images trains at batch 64 in less than 2.5 GB")
  func vgg16() throws {
    let laboratory = try CrashLaboratory()
    for (part, count) in [("big", 128), ("few", 16)] {
      try CrashLaboratory.writeImages("\(laboratory.folder)/\(part)", count: count, shape: [32, 32, 3], classes: 10)
    }
    let config = laboratory.folder + "/vgg16.json"
    try DurableFile.write(
      """
      { "name": "vgg16", "figures": false,
        "data": { "format": "npy", "train": { "images": "big-x.npy", "labels": "big-y.npy" },
          "test": { "images": "few-x.npy", "labels": "few-y.npy" } },
        "model": "vgg16",
        "stages": [ { "train": { "epochs": 1, "batchSize": 64, "optimizer": { "learningRate": 0.01, "momentum": 0.9 } } } ] }
      """, to: config)
    for threads in [1, 2] {
      let ended = try EngineProcess.run(
        ["run", config, "--threads", "\(threads)", "--output", "\(laboratory.folder)/\(threads)"],
        logs: "\(laboratory.folder)/log")
      #expect(ended.status == 0, "\(ended.errors)")
      print("VGG-16, batch 64, \(threads) threads: \(ended.memory / 1_000_000) MB resident at most")
      #expect(ended.memory < 2_500_000_000)
    }
  }
}
