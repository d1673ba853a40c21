//! Launch digests by the crate `sev`: one request for each line of standard input, fields separated by tabs: firmware,
//! kernel ("-": none), initrd ("-": none), command line, vCPUs, CPU type, SEV features, VMM. A digest in hexadecimal for
//! each on standard output, or "refused".
use sev::measurement::{snp::*, vcpu_types::CpuType, vmsa::*};
use std::io::BufRead;
use std::path::PathBuf;
use std::str::FromStr;

fn answer(fields: &[&str]) -> Option<String> {
    let path = |text: &str| (text != "-").then(|| PathBuf::from(text));
    let args = SnpMeasurementArgs {
        ovmf_file: PathBuf::from(fields[0]),
        kernel_file: path(fields[1]),
        initrd_file: path(fields[2]),
        append: (fields[1] != "-").then_some(fields[3]),
        vcpus: fields[4].parse().ok()?,
        vcpu_type: CpuType::try_from(fields[5]).ok()?,
        guest_features: GuestFeatures(fields[6].parse().ok()?),
        ovmf_hash_str: None,
        vmm_type: Some(VMMType::from_str(fields[7]).ok()?),
    };
    Some(snp_calc_launch_digest(args).ok()?.get_hex_ld())
}

fn main() {
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("standard input");
        let fields: Vec<&str> = line.split('\t').collect();
        println!("{}", answer(&fields).unwrap_or("refused".into()));
    }
}
