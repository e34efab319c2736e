import Foundation
import Testing

@testable import Datasets

@Suite("Named data sets")
struct RegistryTests {
  static let repository = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized
    .path

  /// Looks in this checkout alone.
  static let checkout = DataLocation(
    environment: repository + "/Data", executableFolder: "/nowhere", workingDirectory: "/nowhere")

  @Test(
    "the data that come with the project have the right checksums and load",
    arguments: ["mnist-5k", "fashion-3k", "digits"])
  func embedded(_ name: String) throws {
    let entry = try DatasetRegistry.named(name)
    for check in try entry.verify(location: Self.checkout) { #expect(check.isGood, "\(check)") }
    for (file, path) in zip(entry.files, try entry.paths(location: Self.checkout)) {
      #expect(try FileBytes.read(path).count == file.bytes)
    }
    let set = try entry.load(location: Self.checkout)
    #expect(set.train.count == entry.trainCount && set.test.count == entry.testCount && set.classes == entry.classes)
    #expect(Set(set.train.labels) == Set(0..<10) && Set(set.test.labels) == Set(0..<10))
    guard case .bytes(let bytes, let scale) = set.train.values else {
      return #expect(Bool(false), "bytes were expected")
    }
    #expect(scale == entry.scale && Float(bytes.max() ?? 0) == scale)
    #expect(entry.fetchAdvice.contains("nothing to do"))
  }

  @Test("mnist-5k has 400 training and 100 test images of each digit")
  func balance() throws {
    let set = try DatasetRegistry.named("mnist-5k").load(location: Self.checkout)
    for digit in 0..<10 {
      #expect(
        set.train.labels.filter { $0 == digit }.count == 400 && set.test.labels.filter { $0 == digit }.count == 100)
    }
  }

  @Test("the checkout's data are found from this process without any setting")
  func search() throws {
    #expect(try DatasetRegistry.named("digits").load().train.count == 1437)
  }

  @Test(
    "Debian's Fashion-MNIST loads, and fashion-3k is its beginning",
    .enabled(
      if: DurableFile.isFolder("/usr/share/datasets/fashion-mnist"), "SKIPPED: apt-get install dataset-fashion-mnist"))
  func fashion() throws {
    let full = try DatasetRegistry.named("fashion-mnist").load()
    let part = try DatasetRegistry.named("fashion-3k").load(location: Self.checkout)
    #expect(full.train.prefix(2500) == part.train && full.test.prefix(500) == part.test)
    #expect(try DatasetRegistry.named("fashion-mnist").paths().allSatisfy { $0.hasPrefix("/usr/share/datasets/") })
  }

  @Test("a set that is not there says where was looked and what to do")
  func missing() throws {
    let nowhere = DataLocation(environment: nil, executableFolder: "/no/bin", workingDirectory: "/no/work")
    let ten = refusal { try DatasetRegistry.named("cifar10").load(location: nowhere) }
    #expect(
      ten.hasPrefix(
        "cifar-10-batches-bin/data_batch_1.bin: not found; looked in SIMENGINE_DATA (not set), "
          + "/no/share/simengine/Data, "
          + "Data in /no/bin and the folders above it, Data in /no/work and the folders above it. cifar10: fetch "
          + "https://"
      ),
      "\(ten)")
    #expect(ten.contains("$SIMENGINE_DATA/cifar-10-batches-bin holds data_batch_1.bin"))
    let given = refusal { try DatasetRegistry.named("fashion-mnist").load(folder: "/no") }
    #expect(
      given.hasPrefix("/no/train-images-idx3-ubyte.gz: no such file. ")
        && given.contains("apt-get install dataset-fashion-mnist"))
    #expect(
      refusal { try DatasetRegistry.named("mnist") }.hasSuffix(
        "expected one of " + DatasetRegistry.names.joined(separator: ", ")))
    #expect(DatasetRegistry.find("mnist") == nil)
  }

  @Test("data are looked for in the environment's folder, beside the executable, above it, above the working folder")
  func order() throws {
    try withTemporaryFolder { root in
      for folder in ["env", "share/simengine/Data", "Data/images", "here/Data/images"] {
        try DurableFile.makeFolders(root + "/" + folder)
      }
      try DurableFile.makeFolders(root + "/bin/deep")
      try DurableFile.makeFolders(root + "/here/deeper")
      let location = DataLocation(
        environment: root + "/env", executableFolder: root + "/bin", workingDirectory: root + "/here/deeper")
      let expected = ["/env", "/share/simengine/Data", "/Data", "/here/Data", "/Data"].map { root + $0 }
      #expect(location.folders.filter { $0.hasPrefix(root) } == expected)
      try DurableFile.write("x", to: root + "/here/Data/only-here")
      #expect(try location.folder(with: ["only-here"]) == root + "/here/Data")
    }
  }

  @Test("CIFAR files that are not the whole set are refused by what they hold")
  func wrongCounts() throws {
    try withTemporaryFolder { folder in
      for name in ["train.bin", "test.bin"] {
        try DurableFile.write(try FileBytes.read(fixture("cifar100.bin")), to: folder + "/" + name)
      }
      let entry = try DatasetRegistry.named("cifar100")
      #expect(
        refusal { try entry.load(folder: folder) }
          == "\(folder)/train.bin: 3 training and 3 test samples were found, cifar100 has 50000 and 10000")
      #expect(try entry.verify(folder: folder).allSatisfy { !$0.isGood && $0.found.count == 64 })
      for file in DatasetRegistry.digits.files {
        try DurableFile.write([0, 0, 8, 1, 0, 0, 0, 1, 0], to: folder + "/" + file.path.dropFirst(7))
      }
      #expect(refusal { try DatasetRegistry.digits.load(folder: folder) }.contains("has the shape 1, expected [N"))
      try DurableFile.write([0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0], to: folder + "/digits8x8-images.idx3-ubyte")
      #expect(
        refusal { try DatasetRegistry.digits.load(folder: folder) }.contains("1 images were found, digits has 1797"))
    }
  }

  @Test("images of another size than the set's are refused")
  func wrongShape() throws {
    try withTemporaryFolder { folder in
      let images = [0, 0, 8, 3, 0, 0, 7, 5, 0, 0, 0, 1, 0, 0, 0, 1] + [UInt8](repeating: 0, count: 1797)
      try DurableFile.write(images, to: folder + "/digits8x8-images.idx3-ubyte")
      try DurableFile.write([0, 0, 8, 1, 0, 0, 7, 5] + images[16...], to: folder + "/digits8x8-labels.idx1-ubyte")
      let sentence = refusal { try DatasetRegistry.digits.load(folder: folder) }
      #expect(sentence.hasSuffix("samples of 1×1×1 were found, digits has 8×8×1"), "\(sentence)")
    }
  }

  @Test("every entry is complete: names, classes, files with checksums")
  func entries() {
    #expect(Set(DatasetRegistry.names).count == DatasetRegistry.all.count)
    for entry in DatasetRegistry.all {
      #expect([10, 100].contains(entry.classes) && Set(entry.classNames).count == entry.classes, "\(entry.name)")
      #expect(
        entry.files.allSatisfy { $0.sha256.count == 64 && $0.bytes > 0 } && !entry.licence.isEmpty, "\(entry.name)")
    }
    #expect(ClassNames.cifar100Coarse.count == 20 && ClassNames.cifar100 == ClassNames.cifar100.sorted())
  }
}
