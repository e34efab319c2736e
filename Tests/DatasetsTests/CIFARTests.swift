import Testing

@testable import Datasets

@Suite("CIFAR")
struct CIFARTests {
  @Test("planes become interleaved channels as NumPy's transpose makes them")
  func pixels() throws {
    let expected = try Gzip.inflate(FileBytes.read(fixture("cifar-nhwc.gz")), name: "cifar-nhwc.gz")
    let ten = try CIFAR.read([fixture("cifar10.bin")], .cifar10)
    #expect(ten.pixels == expected)
    #expect(ten.labels == [0, 3, 6] && ten.coarseLabels == [])
    let hundred = try CIFAR.read([fixture("cifar100.bin")], .cifar100)
    #expect(hundred.pixels == expected)
    #expect(hundred.labels == [0, 33, 66] && hundred.coarseLabels == [0, 5, 10])
  }

  @Test("several files are one set")
  func several() throws {
    let path = fixture("cifar10.bin")
    let records = try CIFAR.read([path, path], .cifar10)
    #expect(records.labels == [0, 3, 6, 0, 3, 6] && records.pixels.count == 6 * 3072)
    let set = try ImageDataset.cifar(name: "c", .cifar10, train: [path, path], test: [path])
    #expect(set.train.count == 6 && set.test.count == 3 && set.sampleShape == [32, 32, 3] && set.classes == 10)
    let coarse = try ImageDataset.cifar(
      name: "c", .cifar100, train: [fixture("cifar100.bin")], test: [fixture("cifar100.bin")], coarse: true)
    #expect(coarse.classes == 20 && coarse.train.labels == [0, 5, 10])
    #expect(
      refusal { try ImageDataset.cifar(name: "c", .cifar10, train: [], test: [path]) } == "c: no train files were given"
    )
  }

  @Test("pieces of records and labels that are no class are refused")
  func refused() throws {
    var bytes = try FileBytes.read(fixture("cifar10.bin"))
    for length in [0, 1, 3072, 3074, bytes.count - 1] {
      let sentence = refusal { try CIFAR.parse(Array(bytes[..<length]), .cifar10, name: "x") }
      #expect(sentence == "x: has \(length) bytes, expected one or more cifar10 records of 3073 bytes each")
    }
    bytes[2 * 3073] = 10
    #expect(refusal { try CIFAR.parse(bytes, .cifar10, name: "x") } == "x: record 2 has the label 10, expected 0 to 9")
    bytes = try FileBytes.read(fixture("cifar100.bin"))
    bytes[3074] = 20
    #expect(
      refusal { try CIFAR.parse(bytes, .cifar100, name: "x") }
        == "x: record 1 has the coarse label 20, expected 0 to 19")
    bytes[1] = 100
    #expect(
      refusal { try CIFAR.parse(bytes, .cifar100, name: "x") } == "x: record 0 has the label 100, expected 0 to 99")
  }
}
